/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/udp_batch.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <string.h>

/* Of one piece: UDP_MAX_SEGMENTS of the older kernels, and what fits IPv4 and IPv6. */
#define BURST_SEGMENTS 64
#define BURST_BYTES 65000

/* An error that was pending is told once, in place of the call: try it again. */
#define PENDING_TRIES 3

static uint32_t segment_of(struct msghdr *msg, uint32_t len)
{
	struct cmsghdr *c;
	int size;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO)
			continue;
		memcpy(&size, CMSG_DATA(c), sizeof(size));
		if (size > 0 && (uint32_t)size < len)
			return (uint32_t)size;
	}
	return len;
}

int udp_batch_recv(struct udp_batch *b, int fd, unsigned int max)
{
	int n;

	if (max > UDP_BATCH_MAX)
		max = UDP_BATCH_MAX;
	for (unsigned int i = 0; i < max; i++) {
		b->in_iov[i] = (struct iovec){ b->data[i], UDP_BUFFER };
		b->in[i].msg_hdr = (struct msghdr){
			.msg_name = &b->messages[i].from,
			.msg_namelen = sizeof(b->messages[i].from),
			.msg_iov = &b->in_iov[i],
			.msg_iovlen = 1,
			.msg_control = b->messages[i].control,
			.msg_controllen = UDP_CONTROL,
		};
	}
	n = recvmmsg(fd, b->in, max, MSG_DONTWAIT, NULL);
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		struct udp_message *m = &b->messages[i];

		m->len = b->in[i].msg_len;
		m->segment = segment_of(&b->in[i].msg_hdr, m->len);
		m->next = -1;
	}
	return n;
}

static uint32_t count(const struct udp_message *m)
{
	return m->segment ? (m->len + m->segment - 1) / m->segment : 1;
}

/* A run that is being put together: so far full datagrams only, if `open`. */
struct run {
	uint32_t segment, segments, bytes;
	bool open;
};

static void run_begin(struct run *run, const struct udp_message *m, uint32_t largest)
{
	*run = (struct run){
		.segment = m->segment,
		.segments = count(m),
		.bytes = m->len,
		.open = m->segment && m->len % m->segment == 0 && m->segment <= largest,
	};
}

/* The last datagram of a run may be shorter than the others, but not empty. */
static bool run_add(struct run *run, const struct udp_message *m)
{
	bool equal = m->segment == run->segment;

	if (!run->open || !m->len || (!equal && m->len > run->segment) ||
	    (!equal && count(m) > 1) || run->segments + count(m) > BURST_SEGMENTS ||
	    run->bytes + m->len > BURST_BYTES)
		return false;
	run->segments += count(m);
	run->bytes += m->len;
	run->open = equal && m->len % m->segment == 0;
	return true;
}

static void set_control(struct msghdr *msg, char *control, const struct udp_to *to,
			const struct run *run)
{
	struct cmsghdr *c = (struct cmsghdr *)(control + to->control_len);
	uint16_t size = (uint16_t)run->segment;

	memcpy(control, to->control, to->control_len);
	msg->msg_controllen = to->control_len;
	if (run->segments > 1) {
		c->cmsg_level = SOL_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof(size));
		memcpy(CMSG_DATA(c), &size, sizeof(size));
		msg->msg_controllen += CMSG_SPACE(sizeof(size));
	}
	msg->msg_control = msg->msg_controllen ? control : NULL;
}

/* Begins the message after @n others, with the datagram @first. */
static struct msghdr *begin(struct udp_batch *b, const struct udp_to *to, unsigned int n, int first,
			    unsigned int iovs)
{
	struct msghdr *msg = &b->out[n].msg_hdr;

	b->out_first[n] = first;
	*msg = (struct msghdr){
		.msg_name = to->len ? (void *)&to->v6 : NULL,
		.msg_namelen = to->len,
		.msg_iov = &b->out_iov[iovs],
	};
	return msg;
}

/* @first is a datagram: there is at least one. Returns how many messages there are in b->out. */
static unsigned int gather(struct udp_batch *b, const struct udp_to *to, int first,
			   uint32_t largest)
{
	struct msghdr *msg = begin(b, to, 0, first, 0);
	unsigned int n = 1, iovs = 0;
	struct run run;

	run_begin(&run, &b->messages[first], largest);
	for (int i = first; i >= 0; i = b->messages[i].next) {
		struct udp_message *m = &b->messages[i];

		if (i != first && !run_add(&run, m)) {
			set_control(msg, b->out_control[n - 1], to, &run);
			run_begin(&run, m, largest);
			msg = begin(b, to, n++, i, iovs);
		}
		b->out_iov[iovs++] = (struct iovec){ b->data[i], m->len };
		msg->msg_iovlen++;
	}
	set_control(msg, b->out_control[n - 1], to, &run);
	return n;
}

/* Told by the kernel for what came before: ICMP, of a datagram that was sent. */
static bool may_be_pending(int error)
{
	return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH ||
	       error == ENOPROTOOPT || error == EHOSTDOWN || error == EPROTO;
}

/* Returns 0, or -errno when it is lost. */
static int send_one(int fd, const struct msghdr *msg)
{
	for (int i = 0; i < PENDING_TRIES; i++) {
		if (sendmsg(fd, msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return 0;
		if (!may_be_pending(errno))
			break;
	}
	return -errno;
}

/* The messages of one of `out`, a datagram at a time. */
static int send_singly(struct udp_batch *b, int fd, const struct udp_to *to,
		       const struct mmsghdr *out, int first)
{
	size_t messages = out->msg_hdr.msg_iovlen;
	int last_error = 0, r;

	for (int i = first; messages; i = b->messages[i].next, messages--) {
		const struct udp_message *m = &b->messages[i];

		for (uint32_t at = 0; at < m->len; at += m->segment) {
			uint32_t rest = m->len - at;
			struct iovec iov = {
				b->data[i] + at, rest < m->segment ? rest : m->segment,
			};
			struct msghdr msg = out->msg_hdr;

			msg.msg_iov = &iov;
			msg.msg_iovlen = 1;
			msg.msg_controllen = to->control_len;
			r = send_one(fd, &msg);
			last_error = r < 0 ? r : last_error;
		}
	}
	return last_error;
}

/*
 * A datagram larger than the path's MTU is cut into fragments, but not as one
 * of a burst (EINVAL, EMSGSIZE); IPsec takes no bursts (EIO).
 */
static bool refuses_burst(const struct msghdr *msg, const struct udp_to *to, int error)
{
	return msg->msg_controllen > to->control_len &&
	       (error == EINVAL || error == EMSGSIZE || error == EIO);
}

int udp_batch_send(struct udp_batch *b, int fd, const struct udp_to *to, int first,
		   uint16_t *largest)
{
	unsigned int n = gather(b, to, first, *largest), done = 0;
	int last_error = 0, tries = 0, r;

	while (done < n) {
		struct mmsghdr *out = &b->out[done];

		r = sendmmsg(fd, out, n - done, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (r > 0) {
			done += (unsigned int)r;
			tries = 0;
			continue;
		}
		last_error = -errno;
		if (may_be_pending(errno) && ++tries < PENDING_TRIES)
			continue;
		if (errno == EAGAIN || errno == ENOBUFS)
			break;
		if (refuses_burst(&out->msg_hdr, to, errno)) {
			uint32_t segment = b->messages[b->out_first[done]].segment;

			if (segment <= *largest)
				*largest = (uint16_t)(segment - 1);
			last_error = send_singly(b, fd, to, out, b->out_first[done]);
		}
		done++;
		tries = 0;
	}
	return last_error;
}

void udp_to_send(int fd, struct udp_to *to, void *data, size_t len)
{
	struct iovec iov = { data, len };
	struct msghdr msg = {
		.msg_name = &to->v6,
		.msg_namelen = to->len,
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = to->control_len ? to->control : NULL,
		.msg_controllen = to->control_len,
	};

	sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}
