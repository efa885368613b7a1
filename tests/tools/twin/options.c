/* SPDX-License-Identifier: Apache-2.0 */
/* What the application sets and asks, of a socket that may be captured by then. */
#include <time.h>

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

#include "end.h"

#define MIB (1024 * 1024)
#define TOTAL (MIB * 3 / 2)

static void receives(struct end *e)
{
	recv_stream(e, TOTAL);
	say(e, "answer: %s", res(put(e, "thanks", 6)));
	ended(e);
}

static void sends(struct end *e)
{
	char answer[6];

	send_stream(e, TOTAL, MIB, send_plainly);
	say(e, "answer: %s", res(get_full(e, answer, sizeof(answer))));
}

static void sends_much(struct end *e)
{
	send_stream(e, TOTAL, MIB, send_plainly);
	ended(e);
}

static void small_sndbuf(struct end *e)
{
	option(e, SOL_SOCKET, SO_SNDBUF, 8192);
}

static void keeps_sndbuf(struct end *e)
{
	say(e, "SO_SNDBUF: %d", get_option(e, SOL_SOCKET, SO_SNDBUF));
	sends(e);
	say(e, "SO_SNDBUF: %d", get_option(e, SOL_SOCKET, SO_SNDBUF));
}

static void sets_sndbuf(struct end *e)
{
	static const int sizes[] = { 4096, 2000000, 30000 };
	char answer[6];

	for (int i = 0; i < 3; i++) {
		option(e, SOL_SOCKET, SO_SNDBUF, sizes[i]);
		say(e, "SO_SNDBUF: %d", get_option(e, SOL_SOCKET, SO_SNDBUF));
		send_stream(e, TOTAL / 3, MIB, send_plainly);
		say(e, "answer: %s", res(get_full(e, answer, sizeof(answer))));
	}
}

static void receives_thirds(struct end *e)
{
	for (int i = 0; i < 3; i++) {
		recv_stream(e, TOTAL / 3);
		say(e, "answer: %s", res(put(e, "thanks", 6)));
	}
	ended(e);
}

static void small_rcvbuf(struct end *e)
{
	option(e, SOL_SOCKET, SO_RCVBUF, 100000);
}

static void keeps_rcvbuf(struct end *e)
{
	say(e, "SO_RCVBUF: %d", get_option(e, SOL_SOCKET, SO_RCVBUF));
	recv_stream(e, TOTAL);
	say(e, "SO_RCVBUF: %d", get_option(e, SOL_SOCKET, SO_RCVBUF));
}

static void sets_rcvbuf(struct end *e)
{
	small_rcvbuf(e);
	keeps_rcvbuf(e);
}

static int not_yet_sent(struct end *e)
{
	int n = -1;

	ioctl(e->fd, SIOCOUTQ, &n);
	return n;
}

/* Nothing waits to be sent once the other end has read it all. */
static void outq(struct end *e)
{
	char answer[6];
	int left = 0;

	for (int i = 0; i < 5; i++) {
		send_stream(e, 100000, 30000, send_plainly);
		say(e, "answer: %s", res(get_full(e, answer, sizeof(answer))));
		for (int j = 0; j < e->setup->patience_ms && (left = not_yet_sent(e)); j++)
			nap();
		say(e, "SIOCOUTQ: %d", left);
	}
}

static void receives_100k(struct end *e)
{
	for (int i = 0; i < 5; i++) {
		recv_stream(e, 100000);
		say(e, "answer: %s", res(put(e, "thanks", 6)));
	}
	ended(e);
}

static uint32_t segments_in(struct end *e)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	getsockopt(e->fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info.tcpi_segs_in;
}

/* An idle connection is asked, answers, and lives. */
static void keepalive(struct end *e)
{
	char answer[6];
	uint32_t before;
	int i;

	option(e, IPPROTO_TCP, TCP_KEEPIDLE, 1);
	option(e, IPPROTO_TCP, TCP_KEEPINTVL, 1);
	option(e, IPPROTO_TCP, TCP_KEEPCNT, 2);
	option(e, SOL_SOCKET, SO_KEEPALIVE, 1);
	say(e, "put: %s", res(put(e, "12345", 5)));
	say(e, "answer: %s", res(get_full(e, answer, sizeof(answer))));
	tell(e);
	before = segments_in(e);
	for (i = 0; i < e->setup->patience_ms && segments_in(e) == before; i++)
		nap();
	say(e, "a probe was answered: %s", segments_in(e) == before ? "no" : "yes");
	say(e, "put: %s", res(put(e, "12345", 5)));
	say(e, "answer: %s", res(get_full(e, answer, sizeof(answer))));
}

static void answers_twice(struct end *e)
{
	char text[5];

	for (int i = 0; i < 2; i++) {
		say(e, "recv: %s", res(get_full(e, text, sizeof(text))));
		say(e, "put: %s", res(put(e, "thanks", 6)));
	}
	ended(e);
}

/* ---- what comes by the error queue ---------------------------------------------------- */

static void zerocopy_on(struct end *e)
{
	option(e, SOL_SOCKET, SO_ZEROCOPY, 1);
}

/* Returns how many sends the next message of the queue completes, or -errno. */
static int completed(struct end *e, uint32_t *next)
{
	char control[256];
	struct msghdr message = { .msg_control = control, .msg_controllen = sizeof(control) };
	struct sock_extended_err *ee;
	struct cmsghdr *c;
	uint32_t first;

	if (recvmsg(e->fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return -errno;
	c = CMSG_FIRSTHDR(&message);
	if (!c)
		return -ENOMSG;
	ee = (struct sock_extended_err *)CMSG_DATA(c);
	if (ee->ee_origin != SO_EE_ORIGIN_ZEROCOPY)
		return 0;
	first = ee->ee_info;
	if (first != *next)
		say(e, "completion of %u, expected %u", first, *next);
	*next = ee->ee_data + 1;
	return (int)(ee->ee_data - ee->ee_info + 1);
}

#define COPIES 40

/* Each send is completed, once and in order. */
static void zerocopy(struct end *e)
{
	char *data = malloc(TOTAL / COPIES);
	uint32_t next = 0, sends = 0;
	struct stream s;
	char answer[6];
	ssize_t n;

	stream_init(&s);
	while (s.bytes < TOTAL) {
		size_t len = TOTAL / COPIES, done = 0;

		/* it must not change before its completion, so a piece is as it is */
		stream_fill(&s, data, len);
		while (done < len) {
			n = send(e->fd, data + done, len - done, MSG_ZEROCOPY | MSG_NOSIGNAL);
			if (n > 0) {
				done += (size_t)n;
				sends++;
			} else if (errno == EAGAIN && e->mode == NONBLOCKING) {
				wait_for(e->fd, POLLOUT);
			} else {
				say(e, "send: %s", res(-errno));
				return;
			}
		}
		s.bytes += len;
		for (int i = 0; i < e->setup->patience_ms / 2 && next < sends; i++)
			if (completed(e, &next) == -EAGAIN)
				nap();
		if (next != sends)
			say(e, "%u sends, %u completed", sends, next);
		if (next < sends)
			return;
		sends = next;
	}
	say(e, "answer: %s", res(get_full(e, answer, sizeof(answer))));
	say(e, "completions too many: %d", completed(e, &next) > 0);
	free(data);
}

static void zerocopy_later(struct end *e)
{
	zerocopy_on(e);
	zerocopy(e);
}

/* MSG_ZEROCOPY without the option is a plain send. */
static ssize_t do_zerocopy(struct end *e, const char *data, size_t len)
{
	return send(e->fd, data, len, MSG_ZEROCOPY | MSG_NOSIGNAL);
}

static void zerocopy_off(struct end *e)
{
	char answer[6];
	uint32_t next = 0;

	send_stream(e, TOTAL, MIB, do_zerocopy);
	say(e, "answer: %s", res(get_full(e, answer, sizeof(answer))));
	say(e, "completion: %s", res(completed(e, &next)));
}

static void timestamps_on(struct end *e)
{
	option(e, SOL_SOCKET, SO_TIMESTAMPING,
	       SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_ACK | SOF_TIMESTAMPING_SOFTWARE |
		       SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY);
}

/* When was it sent, when acknowledged? */
static void timestamps(struct end *e)
{
	char answer[6], control[512];
	int n = 0;

	for (int i = 0; i < 5; i++) {
		send_stream(e, 100000, 30000, send_plainly);
		say(e, "answer: %s", res(get_full(e, answer, sizeof(answer))));
	}
	for (int i = 0; i < 200 && n < 2; i++) {
		struct msghdr message = { .msg_control = control,
					  .msg_controllen = sizeof(control) };

		if (recvmsg(e->fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0)
			n++;
		else
			nap();
	}
	say(e, "timestamps: %s", n ? "some" : "none");
}

static void timestamps_later(struct end *e)
{
	timestamps_on(e);
	timestamps(e);
}

/* recvmsg(2) says how much is left. */
static int recv_inq(struct end *e, size_t len)
{
	char text[100], control[64];
	struct iovec iov = { text, len };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	int left = -1;

	wait_for(e->fd, POLLIN);
	if (recvmsg(e->fd, &message, 0) < 0)
		return -errno;
	c = CMSG_FIRSTHDR(&message);
	if (c && c->cmsg_type == TCP_CM_INQ)
		memcpy(&left, CMSG_DATA(c), sizeof(left));
	return left;
}

static void inq(struct end *e)
{
	option(e, IPPROTO_TCP, TCP_INQ, 1);
	say(e, "left: %d", recv_inq(e, 2));
	say(e, "left: %d", recv_inq(e, 2));
	say(e, "left: %d", recv_inq(e, 10));
	say(e, "put: %s", res(put(e, "thanks", 6)));
}

static void sends_5(struct end *e)
{
	say(e, "put: %s", res(put(e, "12345", 5)));
	ended(e);
}

const struct kase option_cases[] = {
	{ "SO_SNDBUF", IN_ALL, keeps_sndbuf, receives, small_sndbuf },
	{ "SO_SNDBUF, set late", IN_ALL, sets_sndbuf, receives_thirds, NULL },
	{ "SO_RCVBUF", IN_ALL, keeps_rcvbuf, sends_much, small_rcvbuf },
	{ "SO_RCVBUF, set late", IN_ALL, sets_rcvbuf, sends_much, NULL },
	{ "SIOCOUTQ", IN_ALL, outq, receives_100k, NULL },
	{ "SO_KEEPALIVE", IN_NONBLOCKING | IN_BLOCKING, keepalive, answers_twice, NULL },
	{ "MSG_ZEROCOPY", IN_ALL | NOT_CAPTURED, zerocopy, receives, zerocopy_on },
	{ "MSG_ZEROCOPY, set late", IN_ALL, zerocopy_later, receives, NULL },
	{ "MSG_ZEROCOPY, not set", IN_ALL, zerocopy_off, receives, NULL },
	{ "SO_TIMESTAMPING", IN_ALL | NOT_CAPTURED, timestamps, receives_100k, timestamps_on },
	{ "SO_TIMESTAMPING, set late", IN_ALL, timestamps_later, receives_100k, NULL },
	{ "TCP_INQ", IN_ALL, inq, sends_5, NULL },
	{ 0 },
};
