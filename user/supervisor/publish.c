/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/publish.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "supervisor/listen.h"

/*
 * Descriptors in flight count against RLIMIT_NOFILE (unix(7)), which COMMAND
 * is to find as the caller had it: so few at a time are open here.
 */
#define BATCH 64

static void tell(const struct addr *host, uint16_t port, uint16_t container_port)
{
	char text[ADDR_TEXT_MAX];

	addr_format_port(host, port, text);
	if (log_is_json())
		log_info("%u/tcp -> %s", container_port, text);
	else
		dprintf(STDERR_FILENO, "%u/tcp -> %s\n", container_port, text);
}

static int publish_batch(struct client *forwarder, const struct port_spec *spec,
			 uint32_t first, uint32_t count, struct error *err)
{
	struct forwarder_request request = {
		.type = FORWARDER_LISTEN,
		.listen.container_port = (uint16_t)(spec->container_port + first),
	};
	uint32_t i;
	int fds[BATCH], r = 0;
	uint16_t port;

	for (i = 0; i < count; i++) {
		port = spec->host_port ? (uint16_t)(spec->host_port + first + i) : 0;
		fds[i] = r = listen_tcp(&spec->host_addr, &port, err);
		if (r < 0)
			break;
		if (!spec->host_port)
			tell(&spec->host_addr, port,
			     (uint16_t)(spec->container_port + first + i));
	}
	if (r >= 0)
		r = forwarder_call(forwarder, &request, fds, count, err);
	while (i > 0)
		fd_close(fds[--i]);
	return r;
}

int publish_ports(struct client *forwarder, const struct port_spec *specs, size_t n,
		  struct error *err)
{
	char text[SPEC_FORMAT_MAX];
	uint32_t count;
	int r;

	for (size_t i = 0; i < n; i++) {
		if (specs[i].protos != PROTO_TCP)
			return error_set(err, -EOPNOTSUPP,
					 "cannot publish %s: udp is not built yet, only tcp",
					 spec_format(&specs[i], text, sizeof(text)));
		for (size_t j = 0; j < i; j++)
			if (spec_overlaps(&specs[j], &specs[i]))
				return error_set(err, -EADDRINUSE,
						 "cannot publish %s: an earlier -p has the "
						 "same host port",
						 spec_format(&specs[i], text, sizeof(text)));
	}
	for (size_t i = 0; i < n; i++) {
		for (uint32_t first = 0; first < specs[i].count; first += count) {
			count = specs[i].count - first;
			if (count > BATCH)
				count = BATCH;
			r = publish_batch(forwarder, &specs[i], first, count, err);
			if (r < 0)
				return r;
		}
	}
	return 0;
}
