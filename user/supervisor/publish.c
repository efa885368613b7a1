/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/publish.h"

#include <errno.h>
#include <sys/random.h>

#include "base/fd.h"
#include "base/log.h"
#include "supervisor/listen.h"
#include "supervisor/slirp4netns/api.h"

/*
 * Descriptors in flight count against RLIMIT_NOFILE (unix(7)), which COMMAND
 * is to find as the caller had it: so few at a time are open here.
 */
#define BATCH 64

/* A row of free ports is looked for so often. */
#define CHOOSE_TRIES 64
#define FIRST_UNPRIVILEGED 1024

static bool is_free(const struct port_spec *spec, uint16_t port)
{
	int fd = 0;

	for (unsigned int proto = PROTO_TCP; proto <= PROTO_UDP && fd >= 0; proto <<= 1) {
		if (!(spec->protos & proto))
			continue;
		fd = listen_spec(proto == PROTO_UDP, spec, &port, NULL);
		fd_close(fd);
	}
	return fd >= 0;
}

/*
 * Where a range may start. Where the kernel looks for free ports it gives every
 * other one to clients: among thousands of them no neighbours are free, so
 * later tries look everywhere.
 */
static int choose_first(const struct port_spec *spec, int tries, uint16_t *ret_port,
			struct error *err)
{
	uint32_t random, starts = UINT16_MAX + 1 - FIRST_UNPRIVILEGED;
	int fd;

	*ret_port = 0;
	if (tries > CHOOSE_TRIES / 4 && spec->count <= starts &&
	    getrandom(&random, sizeof(random), 0) == sizeof(random)) {
		starts -= spec->count - 1;
		*ret_port = (uint16_t)(FIRST_UNPRIVILEGED + random % starts);
		return 0;
	}
	fd = listen_spec(!(spec->protos & PROTO_TCP), spec, ret_port, err);
	fd_close(fd);
	return fd < 0 ? fd : 0;
}

/*
 * Neighbouring host ports for a range that names none, as podman picks them:
 * whoever publishes 80-82 wants to find the third from the first. Every one is
 * free for all the protocols.
 */
static int choose_range(struct port_spec *spec, struct error *err)
{
	uint16_t port;
	uint32_t i;
	int r;

	for (int tries = 0; tries < CHOOSE_TRIES; tries++) {
		r = choose_first(spec, tries, &port, err);
		if (r < 0)
			return r;
		for (i = 0; i < spec->count && port + i <= UINT16_MAX; i++)
			if (!is_free(spec, (uint16_t)(port + i)))
				break;
		if (i == spec->count) {
			spec->host_port = port;
			return 0;
		}
	}
	return error_set(err, -EADDRINUSE,
			 "cannot find %u free ports in a row on the host: name them, "
			 "as in -p HOST_PORT-END:PORT-END", spec->count);
}

/* Returns how many of the @count were opened, at least one, or -errno. */
static int publish_batch(struct client *forwarder, uint32_t rule, struct port_spec *spec,
			 unsigned int proto, uint32_t first, uint32_t count, struct error *err)
{
	struct forwarder_request request = {
		.type = FORWARDER_LISTEN,
		.listen = {
			.rule = rule,
			.container_port = (uint16_t)(spec->container_port + first),
			.udp = proto == PROTO_UDP,
		},
	};
	uint32_t i;
	int fds[BATCH], r = 0;
	uint16_t port;

	for (i = 0; i < count; i++) {
		port = spec->host_port ? (uint16_t)(spec->host_port + first + i) : 0;
		fds[i] = r = listen_spec(proto == PROTO_UDP, spec, &port, err);
		if (r < 0)
			break;
		/* a single one is chosen by bind(2) itself */
		if (!spec->host_port)
			spec->host_port = port;
	}
	/* the soft limit is COMMAND's: fewer at a time then */
	if (r == -EMFILE && i > 0)
		r = 0;
	request.listen.count = (uint16_t)i;
	request.listen.spec = *spec;
	if (r >= 0)
		r = forwarder_call(forwarder, &request, fds, i, err);
	count = i;
	while (i > 0)
		fd_close(fds[--i]);
	return r < 0 ? r : (int)count;
}

static int check_overlaps(const struct port_spec *specs, size_t n, struct error *err)
{
	char text[SPEC_FORMAT_MAX];

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < i; j++)
			if (spec_overlaps(&specs[j], &specs[i]))
				return error_set(err, -EADDRINUSE,
						 "cannot publish %s: an earlier -p has the "
						 "same host port",
						 spec_format(&specs[i], text, sizeof(text)));
	return 0;
}

static int publish_proto(struct client *forwarder, uint32_t rule, struct port_spec *spec,
			 unsigned int proto, struct error *err)
{
	uint32_t first = 0, count;
	int r = 0;

	while (r >= 0 && first < spec->count) {
		count = spec->count - first;
		if (count > BATCH)
			count = BATCH;
		r = publish_batch(forwarder, rule, spec, proto, first, count, err);
		first += (uint32_t)(r < 0 ? 0 : r);
	}
	return r < 0 ? r : 0;
}

static int publish_spec(struct client *forwarder, uint32_t rule, struct port_spec *spec,
			struct error *err)
{
	int r = 0;

	if (!spec->host_port && (spec->count > 1 || spec->protos == (PROTO_TCP | PROTO_UDP)))
		r = choose_range(spec, err);
	for (unsigned int proto = PROTO_TCP; proto <= PROTO_UDP && r >= 0; proto <<= 1)
		if (spec->protos & proto)
			r = publish_proto(forwarder, rule, spec, proto, err);
	return r;
}

int publish_ports(struct client *forwarder, uint32_t rule, const struct port_spec *specs,
		  size_t n, uint16_t *ret_ports, struct error *err)
{
	int r = check_overlaps(specs, n, err);

	for (size_t i = 0; i < n && r >= 0; i++) {
		struct port_spec spec = specs[i];

		r = publish_spec(forwarder, rule + (uint32_t)i, &spec, err);
		ret_ports[i] = spec.host_port;
	}
	return r;
}

static int publish_one_hostfwd(struct slirp4netns *slirp, const struct port_spec *spec,
			       uint32_t i, struct error *err)
{
	struct slirp4netns_hostfwd fwd = {
		.host = spec->host_addr,
		.host_port = (uint16_t)(spec->host_port + i),
		.guest_port = (uint16_t)(spec->container_port + i),
	};
	int r = 0;

	for (unsigned int proto = PROTO_TCP; proto <= PROTO_UDP && r >= 0; proto <<= 1) {
		if (!(spec->protos & proto))
			continue;
		fwd.is_udp = proto == PROTO_UDP;
		r = slirp4netns_add_hostfwd(slirp, &fwd, err);
	}
	return r;
}

int publish_hostfwd(struct slirp4netns *slirp, const struct port_spec *specs,
		    size_t n, uint16_t *ret_ports, struct error *err)
{
	char text[SPEC_FORMAT_MAX];
	int r = check_overlaps(specs, n, err);

	for (size_t i = 0; i < n && r >= 0; i++) {
		struct port_spec spec = specs[i];

		if (spec.host_addr.family == AF_INET6)
			return error_set(err, -EAFNOSUPPORT,
					 "cannot publish %s: port_handler=slirp4netns "
					 "forwards IPv4 only",
					 spec_format(&spec, text, sizeof(text)));
		if (*spec.device)
			return error_set(err, -EOPNOTSUPP,
					 "cannot publish %s: port_handler=slirp4netns "
					 "knows no interfaces",
					 spec_format(&spec, text, sizeof(text)));
		/* it does not tell which port it took, so it is told one */
		if (!spec.host_port)
			r = choose_range(&spec, err);
		for (uint32_t j = 0; j < spec.count && r >= 0; j++)
			r = publish_one_hostfwd(slirp, &spec, j, err);
		ret_ports[i] = spec.host_port;
	}
	return r;
}

static void tell(const struct port_spec *spec, uint16_t host_port, uint16_t container_port)
{
	char text[SPEC_HOST_MAX];

	spec_format_host(spec, host_port, text);
	if (spec->protos & PROTO_TCP)
		log_tell("%u/tcp -> %s", container_port, text);
	if (spec->protos & PROTO_UDP)
		log_tell("%u/udp -> %s", container_port, text);
}

void publish_tell(const struct port_spec *specs, size_t n, const uint16_t *ports)
{
	for (size_t i = 0; i < n; i++)
		for (uint32_t j = 0; !specs[i].host_port && j < specs[i].count; j++)
			tell(&specs[i], (uint16_t)(ports[i] + j),
			     (uint16_t)(specs[i].container_port + j));
}
