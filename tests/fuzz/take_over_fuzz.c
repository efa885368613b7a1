/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as what one portshunt says to another when it takes over: what is
 * accepted keeps to its bounds, and is the same when it is said again.
 */
#include <errno.h>
#include <string.h>

#include "control/take_over.h"
#include "datapath/datapath.h"
#include "fuzz/fuzz.h"

static void check_request(const char *text, size_t len)
{
	struct take_over_request r, again;
	struct error err = { "" };
	struct json *json;
	char *said;
	int result = take_over_request_parse(text, len, &r, &err);

	CHECK(result == 0 || result == -EINVAL);
	CHECK(result == 0 || strncmp(err.text, "bad request: ", 13) == 0);
	if (result < 0)
		return;
	CHECK(r.step <= TAKE_OVER_DONE);
	CHECK((r.count > 0) == (r.step == TAKE_OVER_SOCKETS) && r.count <= TAKE_OVER_BATCH);
	json = take_over_request_json(&r);
	said = json_text(json);
	CHECK(take_over_request_parse(said, strlen(said), &again, &err) == 0);
	CHECK(again.step == r.step && again.rule == r.rule && again.udp == r.udp &&
	      again.container_port == r.container_port && again.count == r.count &&
	      again.after == r.after);
	free(said);
	json_free(json);
}

static void check_state(const struct json *value)
{
	struct take_over_state s;
	struct error err = { "" };

	if (take_over_state_parse(value, &s, &err) < 0) {
		CHECK(strncmp(err.text, "bad reply: ", 11) == 0);
		return;
	}
	for (size_t i = 0; i < s.n; i++) {
		CHECK(s.rules[i].id > (i ? s.rules[i - 1].id : 0) && s.rules[i].id <= s.last_id);
		CHECK(s.rules[i].bound.host_port);
		CHECK(s.rules[i].asked.datapath <= DATAPATH_SHUNT);
		CHECK(s.rules[i].bound.datapath == s.rules[i].asked.datapath);
		CHECK(s.rules[i].asked.count == s.rules[i].bound.count);
		CHECK(!s.rules[i].asked.host_port ||
		      s.rules[i].asked.host_port == s.rules[i].bound.host_port);
	}
	take_over_state_done(&s);
}

static void check_sessions(const struct json *value)
{
	struct forwarder_sessions s, again;
	struct error err = { "" };
	struct json *json;

	if (take_over_sessions_parse(value, &s, &err) < 0) {
		CHECK(strncmp(err.text, "bad reply: ", 11) == 0);
		return;
	}
	CHECK(s.n <= FORWARDER_SESSIONS_PAGE);
	json = take_over_sessions_json(&s);
	CHECK(take_over_sessions_parse(json, &again, &err) == 0);
	CHECK(memcmp(&s, &again, sizeof(s)) == 0);
	json_free(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json *json = NULL;

	check_request((const char *)data, size);
	if (json_parse((const char *)data, size, &json, NULL) == 0) {
		check_state(json);
		check_sessions(json);
	}
	json_free(json);
	return 0;
}
