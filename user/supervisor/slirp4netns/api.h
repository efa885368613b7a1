/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client of slirp4netns' API socket: its own port forwarding, IPv4 only,
 * used with port_handler=slirp4netns. One connection a request; slirp4netns
 * does nothing else while it answers. Protocol: slirp4netns(1), "API SOCKET".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/error.h"
#include "supervisor/slirp4netns/slirp4netns.h"

struct slirp4netns_hostfwd {
	int64_t id;
	bool is_udp;
	struct addr host;
	uint16_t host_port;
	struct addr guest;
	uint16_t guest_port;
};

/*
 * slirp4netns_api_open - once it is ready: wait up to a minute for the socket,
 * noticing slirp4netns' death at once (it is then reaped). The name is removed
 * from the file system, so that nothing stays whatever happens; @s->api_fd
 * keeps the socket reachable. Returns 0 or -errno.
 */
int slirp4netns_api_open(struct slirp4netns *s, struct error *err);

/*
 * slirp4netns_add_hostfwd - forward @fwd->host:@fwd->host_port (AF_UNSPEC:
 * 0.0.0.0) to @fwd->guest_port of @fwd->guest (AF_UNSPEC: the container). On
 * success @fwd->id is what removes it again, -1 when the reply names none.
 * Returns 0; -EREMOTEIO when slirp4netns refuses, most often because the port
 * is in use; or another -errno.
 */
int slirp4netns_add_hostfwd(struct slirp4netns *s,
			    struct slirp4netns_hostfwd *fwd, struct error *err);

int slirp4netns_remove_hostfwd(struct slirp4netns *s, int64_t id,
			       struct error *err);

/* slirp4netns_list_hostfwd - *ret (freed by the caller) and *ret_n, or -errno. */
int slirp4netns_list_hostfwd(struct slirp4netns *s,
			     struct slirp4netns_hostfwd **ret, size_t *ret_n,
			     struct error *err);
