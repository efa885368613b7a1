/* SPDX-License-Identifier: Apache-2.0 */
/* Every call that sends, with sizes from one byte to 4 MiB. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "end.h"

#define MIB (1024 * 1024)
#define TOTAL (12 * MIB)

static void receives(struct end *e)
{
	recv_stream(e, TOTAL);
	say(e, "answer: %s", res(put(e, "thanks", 6)));
}

static void sends(struct end *e, size_t max, send_call *call)
{
	char answer[6];

	send_stream(e, TOTAL, max, call);
	say(e, "answer: %s", res(get_full(e, answer, sizeof(answer))));
}

static void with_send(struct end *e)
{
	sends(e, 4 * MIB, send_plainly);
}

static ssize_t do_write(struct end *e, const char *data, size_t len)
{
	return write(e->fd, data, len);
}

static void with_write(struct end *e)
{
	sends(e, 4 * MIB, do_write);
}

static void small_sends(struct end *e)
{
	send_stream(e, MIB, 300, send_plainly);
}

static void small_receives(struct end *e)
{
	recv_stream(e, MIB);
}

/* Pieces of all sizes, some of them empty. */
static unsigned int slice(struct iovec *iov, unsigned int max, const char *data, size_t len)
{
	unsigned int n = 0;

	for (size_t piece = 1; len && n < max; piece = piece * 3 % 70001) {
		iov[n].iov_base = (void *)data;
		iov[n].iov_len = n % 7 == 3 ? 0 : piece < len ? piece : len;
		data += iov[n].iov_len;
		len -= iov[n++].iov_len;
	}
	return n;
}

static ssize_t do_writev(struct end *e, const char *data, size_t len)
{
	struct iovec iov[100];

	return writev(e->fd, iov, (int)slice(iov, 100, data, len));
}

static void with_writev(struct end *e)
{
	sends(e, 4 * MIB, do_writev);
}

/*
 * After a message that went in part only the call goes on with the next one:
 * for a non-blocking stream it is of no use with more than one.
 */
static ssize_t do_sendmmsg(struct end *e, const char *data, size_t len)
{
	struct mmsghdr messages[8] = { 0 };
	struct iovec iov[24];
	unsigned int n = slice(iov, e->mode == NONBLOCKING ? 3 : 24, data, len), used = 0, m = 0;
	ssize_t sum = 0;
	int done;

	while (used < n) {
		messages[m].msg_hdr.msg_iov = iov + used;
		messages[m].msg_hdr.msg_iovlen = n - used < 3 ? n - used : 3;
		used += (unsigned int)messages[m++].msg_hdr.msg_iovlen;
	}
	done = sendmmsg(e->fd, messages, m, MSG_NOSIGNAL);
	for (int i = 0; i < done; i++)
		sum += messages[i].msg_len;
	return done < 0 ? -1 : sum;
}

static void with_sendmmsg(struct end *e)
{
	sends(e, 4 * MIB, do_sendmmsg);
}

/* A page cache of its own each time: pages in flight must not change. */
static ssize_t do_sendfile(struct end *e, const char *data, size_t len)
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	off_t at = 0;
	ssize_t n;

	if (fd < 0 || pwrite(fd, data, len, 0) != (ssize_t)len)
		_exit(6);
	n = sendfile(e->fd, fd, &at, len);
	close(fd);
	return n;
}

static void with_sendfile(struct end *e)
{
	sends(e, 4 * MIB, do_sendfile);
}

/* What is in the pipe has to leave before the call is over. */
static ssize_t do_splice(struct end *e, const char *data, size_t len)
{
	static int p[2] = { -1, -1 };
	size_t done = 0;
	ssize_t n, in;

	if (p[0] < 0 && pipe(p) < 0)
		_exit(6);
	in = write(p[1], data, len < 50000 ? len : 50000);
	while (in > 0 && done < (size_t)in) {
		n = splice(p[0], NULL, e->fd, NULL, (size_t)in - done, 0);
		if (n > 0)
			done += (size_t)n;
		else if (errno == EAGAIN && e->mode == NONBLOCKING)
			wait_for(e->fd, POLLOUT);
		else
			return -1;
	}
	return in;
}

static void with_splice(struct end *e)
{
	sends(e, 4 * MIB, do_splice);
}

/* Every third piece may go; the others say that there is more to come. */
static ssize_t do_more(struct end *e, const char *data, size_t len)
{
	static unsigned int n;

	return send(e->fd, data, len, MSG_NOSIGNAL | (++n % 3 ? MSG_MORE : 0));
}

static void with_more(struct end *e)
{
	char answer[6];

	send_stream(e, TOTAL, 4 * MIB, do_more);
	say(e, "the last byte: %s", res(put(e, "", 1)));
	say(e, "answer: %s", res(get_full(e, answer, sizeof(answer))));
}

static void receives_more(struct end *e)
{
	char last;

	recv_stream(e, TOTAL);
	say(e, "last: %s", res(get(e, &last, 1)));
	say(e, "answer: %s", res(put(e, "thanks", 6)));
}

/* No harm to what follows. */
static void odd_sends(struct end *e)
{
	struct iovec none = { NULL, 0 };
	struct msghdr message = { .msg_iov = &none, .msg_iovlen = 1 };
	struct msghdr empty = { 0 };

	say(e, "send of nothing: %s", res(send(e->fd, "", 0, MSG_NOSIGNAL)));
	say(e, "sendmsg of nothing: %s", res(sendmsg(e->fd, &message, MSG_NOSIGNAL)));
	say(e, "sendmsg of no vector: %s", res(sendmsg(e->fd, &empty, MSG_NOSIGNAL)));
	say(e, "write of nothing: %s", res(write(e->fd, "", 0)));
	say(e, "send as a record: %s", res(send(e->fd, "12345", 5, MSG_NOSIGNAL | MSG_EOR)));
	say(e, "sendto another: %s", res(sendto(e->fd, "12345", 5, MSG_NOSIGNAL,
		&(struct sockaddr){ .sa_family = AF_INET }, sizeof(struct sockaddr))));
}

static void bad_address(struct end *e)
{
	say(e, "send from nowhere: %s", res(send(e->fd, (void *)8, 100, MSG_NOSIGNAL)));
	say(e, "send: %s", res(put(e, "1234567890", 10)));
}

static void odd_receives(struct end *e)
{
	char text[10];

	say(e, "received: %s", res(get_full(e, text, sizeof(text))));
}

const struct kase sending_cases[] = {
	{ "send", IN_ALL | ALL_FAMILIES, with_send, receives, NULL },
	{ "write", IN_ALL, with_write, receives, NULL },
	{ "send, small", IN_ALL, small_sends, small_receives, NULL },
	{ "writev", IN_ALL, with_writev, receives, NULL },
	{ "sendmmsg", IN_ALL, with_sendmmsg, receives, NULL },
	{ "sendfile", IN_ALL, with_sendfile, receives, NULL },
	{ "splice into it", IN_ALL, with_splice, receives, NULL },
	{ "send with MSG_MORE", IN_ALL, with_more, receives_more, NULL },
	{ "odd sends", IN_ALL, odd_sends, odd_receives, NULL },
	{ "send from a bad address", IN_ALL, bad_address, odd_receives, NULL },
	{ 0 },
};
