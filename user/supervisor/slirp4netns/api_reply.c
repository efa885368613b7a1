/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/slirp4netns/api_reply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

int api_reply_parse(const char *text, size_t len, struct json **ret, struct error *err)
{
	_cleanup_free_ char *refusal = NULL;
	struct json *json = NULL;
	int r = json_parse(text, len, &json, err);

	if (r == 0 && !json_is_object(json))
		r = error_set(err, -EINVAL, "not an object");
	if (r < 0) {
		json_free(json);
		return error_wrap(err, r,
				  "parsing error status from slirp4netns");
	}
	if (json_has(json, "error")) {
		refusal = json_go_text(json_get(json, "error"));
		json_free(json);
		return error_set(err, -EREMOTEIO,
				 "from slirp4netns while setting up port "
				 "redirection: %s",
				 refusal ? refusal : errno_text(ENOMEM));
	}
	*ret = json;
	return 0;
}

int64_t api_reply_id(const struct json *reply)
{
	int64_t id = -1;

	json_int(json_get(json_get(reply, "return"), "id"), 0, INT32_MAX, &id);
	return id;
}

static int read_hostfwd(const struct json *entry, struct slirp4netns_hostfwd *ret)
{
	const char *proto = json_string(json_get(entry, "proto"));
	const char *host = json_string(json_get(entry, "host_addr"));
	const char *guest = json_string(json_get(entry, "guest_addr"));
	int64_t host_port, guest_port;

	if (!proto || !host || !guest ||
	    (strcmp(proto, "tcp") != 0 && strcmp(proto, "udp") != 0) ||
	    addr_parse(host, &ret->host) < 0 ||
	    addr_parse(guest, &ret->guest) < 0 ||
	    json_int(json_get(entry, "id"), 0, INT32_MAX, &ret->id) < 0 ||
	    json_int(json_get(entry, "host_port"), 0, UINT16_MAX, &host_port) < 0 ||
	    json_int(json_get(entry, "guest_port"), 0, UINT16_MAX, &guest_port) < 0)
		return -EINVAL;
	ret->is_udp = proto[0] == 'u';
	ret->host_port = (uint16_t)host_port;
	ret->guest_port = (uint16_t)guest_port;
	return 0;
}

int api_reply_hostfwds(const struct json *reply, struct slirp4netns_hostfwd **ret,
		       size_t *ret_n, struct error *err)
{
	_cleanup_free_ struct slirp4netns_hostfwd *list = NULL;
	const struct json *entries;
	size_t n;

	/* its manual has them inside "return", its programs do not */
	entries = json_has(reply, "entries") ?
			  json_get(reply, "entries") :
			  json_get(json_get(reply, "return"), "entries");
	if (!json_is_array(entries))
		return error_set(err, -EINVAL,
				 "parsing list_hostfwd of slirp4netns: no entries");
	n = json_len(entries);
	list = calloc(n + 1, sizeof(*list));
	if (!list)
		return error_errno(err, -ENOMEM, "list_hostfwd of slirp4netns");
	for (size_t i = 0; i < n; i++)
		if (read_hostfwd(json_at(entries, i), &list[i]) < 0)
			return error_set(err, -EINVAL,
					 "parsing list_hostfwd of slirp4netns: bad "
					 "entry %zu",
					 i);
	*ret = TAKE_PTR(list);
	*ret_n = n;
	return 0;
}
