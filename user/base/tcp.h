/* SPDX-License-Identifier: Apache-2.0 */
/* The socket options of both legs of a forwarded connection. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * tcp_set_options - TCP_NODELAY and keepalive after 15 s, every 15 s, as
 * rootlessport has them, and SO_OOBINLINE, so that no read can step over an
 * urgent byte; accepted sockets inherit all from the listener (tcp(7)).
 * Returns 0 or -errno.
 */
int tcp_set_options(int fd);

/*
 * tcp_no_pacing - for a connection that stays on this machine, before it is
 * there: a congestion control that paces, as BBR does, costs up to a fifth of
 * the throughput where there is no network to be polite to, and its pacing
 * outlives it (sk_pacing_status). So it has to be set on the listener, whose
 * connections inherit it. Reno is always allowed (tcp(7),
 * tcp_allowed_congestion_control).
 */
void tcp_no_pacing(int fd);

/*
 * tcp_pacing_default - the congestion control of this network namespace
 * (net.ipv4.tcp_congestion_control) if it is one that may pace, else "".
 * tcp_pace - set it: for what a listener with tcp_no_pacing() gets from another
 * machine, before it has sent.
 */
#define TCP_NAME_MAX 16
void tcp_pacing_default(char name[TCP_NAME_MAX]);
void tcp_pace(int fd, const char *name);

/*
 * tcp_unsent, tcp_unacknowledged - bytes in the send queue that were not sent,
 * or not acknowledged by the peer (tcp(7): SIOCOUTQNSD, SIOCOUTQ); 0 where that
 * is not known. Neither waits for the socket's lock (tcp_ioctl()).
 */
int tcp_unsent(int fd);
int tcp_unacknowledged(int fd);

/*
 * tcp_written - bytes that were ever put into the send queue, and a constant of
 * the socket's; 0 where that is not known (struct tcp_info: tcpi_bytes_acked).
 * For a socket to which nobody else writes: only then it must come to an end.
 */
uint64_t tcp_written(int fd);

/*
 * tcp_settle - wait for the socket's lock (tcp_get_info() takes it): whoever was
 * writing to it has finished, and what tcp_unsent() says then is really waiting.
 */
void tcp_settle(int fd);

/* tcp_is_loopback - does this connection run over lo? Only there segments are so long. */
bool tcp_is_loopback(int fd);

/*
 * tcp_bound_buffers - buffers of a fixed size, @bytes, which the kernel
 * doubles, and cuts to twice net.core.[rw]mem_max (socket(7)). Returns whether
 * the one for what is received has all of it.
 */
bool tcp_bound_buffers(int fd, uint32_t bytes);

/*
 * tcp_bound_unsent - EPOLLOUT, and room for a write, only as long as less than
 * @bytes are unsent; 0: no such bound (tcp(7), TCP_NOTSENT_LOWAT).
 */
void tcp_bound_unsent(int fd, uint32_t bytes);

/* tcp_short_segments - 15000 bytes at most, the peer's, of a connection that is yet to be. */
void tcp_short_segments(int fd);

/* tcp_rtt - the round trip, in µs, of the handshake at least; UINT32_MAX: not known. */
uint32_t tcp_rtt(int fd);

/*
 * tcp_short_queue - from now on, at most some 64 KiB wait here to be read, and
 * the sender feels it at once. Or (@on false) as many as the buffer holds.
 */
void tcp_short_queue(int fd, bool on);

/*
 * tcp_acknowledge - now what was read, instead of up to 40 ms later: a sender
 * whose queue holds one segment waits for it (tcp(7), TCP_QUICKACK).
 */
void tcp_acknowledge(int fd);

/* tcp_flush - send what MSG_MORE holds back (tcp(7), TCP_NODELAY). */
void tcp_flush(int fd);

/*
 * tcp_low_water - EPOLLOUT comes when less than 256 KiB are unsent, besides
 * that a third of the buffer is free; or then alone (tcp(7),
 * TCP_NOTSENT_LOWAT, of which sk_stream_write_space() takes half).
 */
void tcp_low_water(int fd, bool on);
