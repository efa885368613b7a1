/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/old_one.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/timer.h"
#include "control/client.h"

void old_answer_done(struct old_answer *a)
{
	json_free(a->json);
	while (a->n_fds)
		fd_close(a->fds[--a->n_fds]);
}

/* One step of what takes as long as @all at most. */
static struct control_wait step_of(const struct control_wait *all)
{
	struct control_wait step = *all;
	uint64_t end = timer_now() + TAKE_OVER_STEP_MS;

	if (end < all->end) {
		step.end = end;
		step.seconds = TAKE_OVER_STEP_MS / 1000;
	}
	return step;
}

static int receive(struct old_one *old, struct old_answer *ret, struct error *err)
{
	struct control_wait step = step_of(&old->wait);
	char text[TAKE_OVER_MESSAGE_MAX];
	bool again;
	ssize_t len;

	do {
		len = control_wait(&step, old->fd, POLLIN);
		if (len == 0)
			len = fd_recv_some(old->fd, text, sizeof(text), ret->fds, TAKE_OVER_BATCH,
					   &ret->n_fds);
		/* it went without having read the request; what it said before comes behind that */
		again = len == -EAGAIN || len == -ECONNRESET;
	} while (again);
	if (len == -ETIMEDOUT)
		return error_set(err, -ETIMEDOUT, "the old portshunt has not answered within %u s",
				 step.seconds);
	if (len == -ECANCELED)
		return -ECANCELED;
	if (len <= 0)
		return error_set(err, -ECONNRESET, "the old portshunt is gone");
	return control_read_reply(text, (size_t)len, &ret->json, &ret->value, err);
}

int old_one_ask(struct old_one *old, const struct take_over_request *request,
		struct old_answer *ret, struct error *err)
{
	struct json *json = take_over_request_json(request);
	_cleanup_free_ char *text = json_text(json);

	*ret = (struct old_answer){ 0 };
	json_free(json);
	if (!text)
		return error_errno(err, -ENOMEM, "cannot ask");
	/* whoever has gone may have said why */
	fd_send_some(old->fd, text, strlen(text), NULL, 0);
	return receive(old, ret, err);
}

int old_one_tell(struct old_one *old, enum take_over_step step, struct error *err)
{
	struct take_over_request request = { .step = step };
	_cleanup_(old_answer_done) struct old_answer answer;

	return old_one_ask(old, &request, &answer, err);
}

int old_one_open(struct old_one *old, const char *path, uint32_t drain_timeout,
		 const struct control_wait *wait, struct error *err)
{
	struct control_wait step = step_of(wait);
	struct json *request = json_new_object(), *arguments = json_new_object(), *reply = NULL;
	const struct json *value;
	int r;

	json_add_uint(arguments, "version", TAKE_OVER_VERSION);
	json_add_uint(arguments, "drain_timeout", drain_timeout);
	json_add_string(request, "execute", "take-over");
	json_add(request, "arguments", arguments);
	*old = (struct old_one){ .fd = -1, .wait = *wait };
	r = control_ask_fd(path, request, &step, &old->fd, &reply, &value, err);
	if (r >= 0 && old->fd < 0)
		r = error_set(err, -EPROTO, "there was no socket in the reply");
	if (r >= 0)
		r = take_over_state_parse(value, &old->state, err);
	json_free(reply);
	json_free(request);
	return r;
}

void old_one_close(struct old_one *old)
{
	old->fd = fd_close(old->fd);
	take_over_state_done(&old->state);
}
