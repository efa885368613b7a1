/* SPDX-License-Identifier: Apache-2.0 */
/* What a stream prints: at its end, and when it is late. */
#include <stdio.h>

#include "stream.h"
#include "util.h"

bool stream_echoes(const struct stream *s)
{
	return s->is_server && s->plan->echo;
}

static bool complete(const struct stream *s)
{
	const struct plan *plan = s->plan;

	if (s->wrong_at >= 0 || (!stream_echoes(s) && s->sent < plan->send))
		return false;
	return plan->expect == PEER_UNLIMITED || plan->expect == s->received;
}

bool stream_report(const struct stream *s, const char *prefix)
{
	if (s->plan->send || stream_echoes(s))
		say("%ssent: %llu bytes, sum %016llx", prefix, (unsigned long long)s->sent,
		    (unsigned long long)sum_value(&s->sent_sum));
	if (s->send_end > 0)
		say("%ssend: %s", prefix, errno_name(s->send_end));
	say("%sreceived: %llu bytes, sum %016llx", prefix, (unsigned long long)s->received,
	    (unsigned long long)sum_value(&s->received_sum));
	if (s->wrong_at >= 0)
		say("%swrong: byte at %lld", prefix, (long long)s->wrong_at);
	if (s->recv_end)
		say("%srecv: %s", prefix,
		    s->recv_end == END_EOF ? "EOF" : errno_name(s->recv_end));
	if (s->plan->stall)
		say("%slongest gap: %llu ms", prefix,
		    (unsigned long long)s->longest_gap / 1000000);
	return complete(s);
}

void stream_progress(const struct stream *s)
{
	fprintf(stderr, "peer: stream %u: sent %llu, received %llu%s%s%s\n", s->index,
		(unsigned long long)s->sent, (unsigned long long)s->received,
		s->send_end ? ", sending is over" : "",
		s->recv_end ? ", receiving is over" : "", s->is_over ? ", closed" : "");
}
