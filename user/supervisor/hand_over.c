/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/hand_over.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/timer.h"
#include "control/reply.h"
#include "control/take_over.h"
#include "supervisor/netns.h"
#include "supervisor/supervisor.h"

#define OF(source, member)                                                     \
	((struct supervisor *)((char *)(source) -                              \
			       offsetof(struct supervisor, hand_over.member)))

static const char too_long[] = "it took too long";

static void forget_taker(struct hand_over *h)
{
	loop_del(&h->source);
	timer_done(&h->timer);
	h->source.fd = fd_close(h->source.fd);
}

/* As if nothing had been. */
static void go_on(struct supervisor *s, const char *why)
{
	struct forwarder_request request = { .type = FORWARDER_PAUSE, .pause = false };

	log_warn("the other portshunt has not taken over: %s; this one goes on", why);
	forget_taker(&s->hand_over);
	control_socket_restore(&s->control.socket);
	if (s->hand_over.is_paused && forwarder_tell(&s->forwarder, &request) < 0)
		log_error("the forwarder does not answer");
	s->hand_over.is_paused = false;
}

/* Takes over @text. Returns 0 or -errno. */
static int reply(struct supervisor *s, char *text, const int *fds, size_t n)
{
	int r = text ? fd_send(s->hand_over.source.fd, text, strlen(text), fds, n) : -ENOMEM;

	free(text);
	return r;
}

static bool is_over(const struct hand_over *h)
{
	return timer_now() >= h->end;
}

/* Until its next word: with many of them it could keep this one for ever. */
static void wait_for_word(struct hand_over *h)
{
	uint64_t now = timer_now(), left = h->end > now ? h->end - now : 1;

	timer_set(&h->timer, left < TAKE_OVER_STEP_MS ? (long)left : TAKE_OVER_STEP_MS);
}

static int give_sockets(struct supervisor *s, const struct take_over_request *asked,
			struct json **ret, int *fds, size_t *ret_n, struct error *err)
{
	struct forwarder_request request = {
		.type = FORWARDER_SOCKETS,
		.sockets = {
			.rule = asked->rule,
			.container_port = asked->container_port,
			.count = asked->count,
			.udp = asked->udp,
		},
	};
	struct forwarder_reply answer;
	int r = forwarder_get(&s->forwarder, &request, &answer, fds, TAKE_OVER_BATCH, ret_n,
			      err);

	if (r >= 0 && !*ret_n)
		r = error_errno(err, -EMFILE, "the listeners");
	*ret = r < 0 ? NULL : json_new_object();
	return r;
}

static int give_sessions(struct supervisor *s, uint32_t after, struct json **ret, int *fds,
			 size_t *ret_n, struct error *err)
{
	struct forwarder_request request = { .type = FORWARDER_SESSIONS, .sessions = after };
	struct forwarder_reply answer;
	int r = forwarder_get(&s->forwarder, &request, &answer, fds, FORWARDER_SESSIONS_PAGE,
			      ret_n, err);

	if (r < 0)
		return r;
	/* those whose socket found no room here end with this process */
	answer.sessions.n = (uint32_t)*ret_n;
	*ret = take_over_sessions_json(&answer.sessions);
	return 0;
}

static int pause_forwarder(struct supervisor *s, struct json **ret, struct error *err)
{
	struct forwarder_request request = { .type = FORWARDER_PAUSE, .pause = true };

	/* also when it only answers too late */
	s->hand_over.is_paused = true;
	*ret = json_new_object();
	return forwarder_call(&s->forwarder, &request, NULL, 0, err);
}

static int leave(struct supervisor *s, struct json **ret, struct error *err)
{
	uint32_t seconds = s->hand_over.drain_timeout;
	struct forwarder_request request = {
		.type = FORWARDER_LEAVE,
		.leave.timeout_ms = seconds * 1000,
	};
	struct forwarder_reply answer;
	int r = forwarder_ask(&s->forwarder, &request, &answer, err);

	if (r < 0)
		return r;
	s->hand_over.is_done = true;
	control_server_done(&s->control);
	log_info("another portshunt has taken over: %u connection%s left here, for %u s at most",
		 answer.connections, answer.connections == 1 ? "" : "s", seconds);
	*ret = json_new_object();
	json_add_uint(*ret, "connections", answer.connections);
	return 0;
}

static int obey(struct supervisor *s, const struct take_over_request *request,
		struct json **ret, int *fds, size_t *ret_n, struct error *err)
{
	/* `done` is heeded in any case: if this process was stopped, the other one serves by now */
	if (request->step != TAKE_OVER_DONE && is_over(&s->hand_over))
		return error_set(err, -ETIMEDOUT, "%s", too_long);
	if (request->step == TAKE_OVER_SOCKETS)
		return give_sockets(s, request, ret, fds, ret_n, err);
	if (request->step == TAKE_OVER_COMMIT)
		return pause_forwarder(s, ret, err);
	if (!s->hand_over.is_paused)
		return error_set(err, -EINVAL, "%s comes after commit",
				 take_over_step_name(request->step));
	if (request->step == TAKE_OVER_SESSIONS)
		return give_sessions(s, request->after, ret, fds, ret_n, err);
	return leave(s, ret, err);
}

static int answer_taker(struct supervisor *s, const char *text, size_t len, struct error *err)
{
	struct take_over_request request = { 0 };
	int fds[TAKE_OVER_BATCH], r;
	struct json *value = NULL;
	size_t n = 0;

	r = take_over_request_parse(text, len, &request, err);
	if (r >= 0)
		r = obey(s, &request, &value, fds, &n, err);
	if (r >= 0 && reply(s, reply_return(value), fds, n) < 0)
		r = error_set(err, -EPIPE, "it does not read");
	else if (r < 0)
		json_free(value);
	while (n)
		fd_close(fds[--n]);
	return r;
}

static void on_taker(struct loop_source *source, uint32_t events)
{
	struct supervisor *s = OF(source, source);
	char text[TAKE_OVER_MESSAGE_MAX];
	struct error err = { "" };
	size_t unused;
	ssize_t len = fd_recv(source->fd, text, sizeof(text), NULL, 0, &unused);

	if (len == -EAGAIN)
		return;
	/* also when it has asked for something: it must not leave with the ports */
	if (len == 0 || (events & (EPOLLHUP | EPOLLRDHUP))) {
		go_on(s, "it is gone");
		return;
	}
	if (answer_taker(s, text, len < 0 ? 0 : (size_t)len, &err) < 0 && !s->hand_over.is_done) {
		reply(s, reply_error(err.text), NULL, 0);
		go_on(s, err.text);
	} else if (s->hand_over.is_done) {
		forget_taker(&s->hand_over);
	} else {
		wait_for_word(&s->hand_over);
	}
}

static void on_timer(struct loop_source *source, uint32_t events)
{
	struct supervisor *s = OF(source, timer);
	const char *why;
	char unused;

	/* if this process was stopped, it may have said something meanwhile */
	if (!timer_expired(source) ||
	    recv(s->hand_over.source.fd, &unused, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
		return;
	why = is_over(&s->hand_over) ? too_long : "it has said nothing for too long";
	reply(s, reply_error(why), NULL, 0);
	go_on(s, why);
}

static struct json *tell_state(const struct supervisor *s)
{
	struct json *state, *rules = json_new_array();

	state = take_over_state_json(s->published.last_id, s->netns_name);
	for (size_t i = 0; i < s->published.n; i++) {
		const struct published *p = &s->published.list[i];
		struct take_over_rule rule = {
			.id = p->id,
			.asked = p->asked,
			.bound = p->bound,
			.limits = p->limits,
		};

		json_append(rules, take_over_rule_json(&rule));
	}
	json_add(state, "rules", rules);
	return state;
}

static int check(const struct supervisor *s, const struct control_request *request,
		 struct error *err)
{
	int r = hand_over_check(s, err);

	if (r < 0)
		return r;
	if (s->config->command)
		return error_set(err, -EOPNOTSUPP, "portshunt run cannot be taken over from: its "
				 "command ends with it");
	if (s->config->slirp4netns)
		return error_set(err, -EOPNOTSUPP, "a portshunt with --network slirp4netns cannot be "
				 "taken over from: the container's network ends with it");
	if (request->version != TAKE_OVER_VERSION)
		return error_set(err, -EPROTO, "this portshunt (" VERSION ") hands over by version "
				 "%d, not %u", TAKE_OVER_VERSION, request->version);
	return 0;
}

static int open_socket(struct supervisor *s, int *ret_fd)
{
	_cleanup_close_ int ours = -1, theirs = -1;
	struct hand_over *h = &s->hand_over;
	int fds[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	ours = fds[0];
	theirs = fds[1];
	r = fd_set_nonblock(ours);
	if (r >= 0)
		r = timer_add(&s->loop, &h->timer, on_timer);
	if (r < 0)
		return r;
	r = loop_add(&s->loop, &h->source, ours, EPOLLIN | EPOLLRDHUP, on_taker);
	if (r < 0) {
		timer_done(&h->timer);
		h->source.fd = -1;
		return r;
	}
	h->end = timer_now() + TAKE_OVER_HANDING_MS;
	wait_for_word(h);
	TAKE_FD(ours);
	*ret_fd = TAKE_FD(theirs);
	return 0;
}

int hand_over_begin(struct supervisor *s, const struct control_request *request,
		    struct json **ret, int *ret_fd, struct error *err)
{
	int r = check(s, request, err);

	if (r < 0)
		return r;
	r = open_socket(s, ret_fd);
	if (r < 0)
		return error_errno(err, r, "cannot hand over");
	s->hand_over.drain_timeout = request->timeout;
	*ret = tell_state(s);
	return 0;
}

int hand_over_check(const struct supervisor *s, struct error *err)
{
	if (s->is_taking_over)
		return error_set(err, -EBUSY, "this portshunt is taking over from another: ask "
				 "again in a moment");
	if (s->hand_over.source.fd < 0)
		return 0;
	return error_set(err, -EBUSY, "another portshunt is taking over: ask that one, or again in "
			 "a moment");
}

void hand_over_init(struct hand_over *h)
{
	*h = (struct hand_over){ .source.fd = -1 };
}

void hand_over_end(struct hand_over *h)
{
	if (h->source.fd >= 0)
		forget_taker(h);
}
