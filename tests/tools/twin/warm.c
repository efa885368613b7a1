/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The warm-up: so much to and fro that the shunt takes whom it may take. A
 * captured end knows: what it sends does not go out on its own leg.
 */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>

#include "end.h"

#define ROUNDS 48 /* 96 KiB and 48 reads each way: enough to be considered */
#define ROUNDS_SHUNT 1000 /* capturing takes a while, but not that long */
#define MESSAGE 2048

uint64_t sent_by_tcp(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info.tcpi_bytes_sent - info.tcpi_bytes_retrans;
}

static void send_message(struct end *e)
{
	char data[MESSAGE] = { 0 };

	for (size_t done = 0; done < sizeof(data);) {
		ssize_t n = send(e->fd, data + done, sizeof(data) - done, MSG_NOSIGNAL);

		if (n > 0)
			done += (size_t)n;
		else if (errno == EAGAIN)
			wait_for(e->fd, POLLOUT);
		else
			must(e, "warm-up: send", -1);
	}
}

static void recv_message(struct end *e)
{
	char data[MESSAGE];

	for (size_t done = 0; done < sizeof(data);) {
		ssize_t n;

		wait_for(e->fd, POLLIN);
		n = recv(e->fd, data + done, sizeof(data) - done, 0);
		if (n > 0)
			done += (size_t)n;
		else if (!n)
			errno = 0, must(e, "warm-up: the end came early", -1);
		else if (errno != EAGAIN)
			must(e, "warm-up: recv", -1);
	}
}

/* Timestamps that nobody reads would fill the receive buffer. */
static void drop_errors(struct end *e)
{
	char text[1];

	while (recv(e->fd, text, sizeof(text), MSG_ERRQUEUE | MSG_DONTWAIT) >= 0)
		;
}

/*
 * Returns whether what this end sent was redirected. @slowly: not before the
 * forwarder is through with the last message. An answer that is faster finds
 * it busy and takes the relay leg, and so may the next, and all others.
 */
static bool round_trip(struct end *e, bool slowly)
{
	uint64_t before = sent_by_tcp(e->fd);

	if (!e->client)
		recv_message(e);
	if (slowly)
		nap();
	send_message(e);
	if (e->client)
		recv_message(e);
	drop_errors(e);
	return sent_by_tcp(e->fd) == before;
}

static bool expected(const struct end *e)
{
	if (!e->setup->shunt || e->mode == BLOCKING)
		return false;
	return !(e->subject && e->job->kase->flags & NOT_CAPTURED);
}

/* Both tell each other whether they are where they should be. */
static bool agreed(struct end *e, bool ok)
{
	char mine = ok ? 1 : 0, other = 0;

	send(e->steps, &mine, 1, MSG_NOSIGNAL);
	if (recv(e->steps, &other, 1, 0) != 1)
		heed(e);
	return mine && other;
}

void end_warm_up(struct end *e)
{
	int rounds = 0;
	bool captured = true;

	set_blocking(e->fd, e->mode == BLOCKING);
	do {
		captured = round_trip(e, e->setup->shunt && rounds > ROUNDS && !captured);
		rounds++;
		if (rounds < ROUNDS)
			continue;
		if (agreed(e, rounds > 2 * ROUNDS && captured == expected(e)) ||
		    !e->setup->shunt)
			break;
	} while (rounds < ROUNDS_SHUNT);
	if (captured != expected(e))
		say(e, "%s captured", captured ? "is" : "is not");
	if (e->mode == TURNED || e->mode == EVICTED)
		set_blocking(e->fd, true);
	/* the first sets a flag, the forwarder acts; when the third is through, it has */
	for (rounds = 0; e->mode == EVICTED && rounds < 3; rounds++)
		round_trip(e, false);
	meet(e);
}
