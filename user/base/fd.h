/* SPDX-License-Identifier: Apache-2.0 */
/* File descriptors: closing, flags, and sending them over a unix socket. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The most descriptors in one message: SCM_MAX_FD of include/net/scm.h. */
#define FD_PASS_MAX 253

/* fd_close - close @fd if it is one; always returns -1: `fd = fd_close(fd)`. */
int fd_close(int fd);

/* fd_set_cloexec - turn FD_CLOEXEC on or off. Returns 0 or -errno. */
int fd_set_cloexec(int fd, int on);

/* fd_set_nonblock - O_NONBLOCK of the open file. Returns 0 or -errno. */
int fd_set_nonblock(int fd);

/*
 * fd_send - one message of @len bytes with @n descriptors (≤ FD_PASS_MAX)
 * over a unix socket; the caller keeps its own copies. Returns 0 or -errno.
 * Never raises SIGPIPE. Waits when a blocking socket's buffer is full.
 */
int fd_send(int sock, const void *data, size_t len, const int *fds, size_t n);

/*
 * fd_send_some - the same without waiting: returns how many bytes were taken, of
 * a SOCK_STREAM perhaps not all, the descriptors with the first of them, or -errno.
 */
ssize_t fd_send_some(int sock, const void *data, size_t len, const int *fds, size_t n);

/*
 * fd_recv - one message of a unix SOCK_SEQPACKET or SOCK_DGRAM socket.
 * @fds has room for @max descriptors; they arrive CLOEXEC and belong to the
 * caller. *ret_n is how many came: fewer than were sent when this process
 * has no free descriptors, the kernel closes the rest (unix(7)).
 * Returns the length of the data, 0 at end of file, or -errno; -EMSGSIZE
 * when the data did not fit (descriptors that came are closed).
 */
ssize_t fd_recv(int sock, void *data, size_t len, int *fds, size_t max,
		size_t *ret_n);

/* fd_recv_some - the same without waiting, whatever the socket is set to: -EAGAIN. */
ssize_t fd_recv_some(int sock, void *data, size_t len, int *fds, size_t max,
		     size_t *ret_n);

/*
 * fd_netns_cookie - which network namespace a socket is of: SO_NETNS_COOKIE of Linux 5.14, the same
 * number for all sockets of one, and never again for another one. Returns 0 or -errno.
 */
int fd_netns_cookie(int sock, uint64_t *ret);

/*
 * fd_close_all_but - close every descriptor that is not in @keep, which is
 * sorted by this call (-1: nothing); 0, 1 and 2 become /dev/null unless they are kept.
 */
void fd_close_all_but(int *keep, size_t n);

/*
 * fd_fill_standard - /dev/null for whichever of 0, 1 and 2 is closed, so that
 * no socket of ours becomes a standard stream; closed again at exec. Once,
 * first of all.
 */
void fd_fill_standard(void);

/*
 * fd_write_all / fd_read_all - until done, across EINTR and short counts.
 * fd_read_all returns the bytes read before end of file. -errno on failure.
 */
int fd_write_all(int fd, const void *data, size_t len);
ssize_t fd_read_all(int fd, void *data, size_t len);

/* fd_write_file - open @path for writing, write @text in one write, close. */
int fd_write_file(const char *path, const char *text);

/*
 * fd_raise_nofile - set RLIMIT_NOFILE's soft limit to its hard limit.
 * Returns the limit now in force.
 */
unsigned long fd_raise_nofile(void);
