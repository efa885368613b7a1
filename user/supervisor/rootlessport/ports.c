/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/rootlessport/ports.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/goquote.h"
#include "supervisor/listen.h"

/* Descriptors in flight count against RLIMIT_NOFILE (unix(7)). */
#define BATCH FORWARDER_AT_ONCE

#define PORTS 65536

/* What one protocol of one mapping has asked for: a rule of the forwarder. */
struct run {
	char protocol[8]; /* "tcp4" */
	const char *host_ip;
	uint32_t first, count; /* host ports */
	unsigned long id;      /* of the first: all ports are counted, from 1 */
	struct port_spec spec;
};

struct opener {
	struct client *forwarder;
	const char *child_ip;
	struct run *runs;
	size_t n, room;
	unsigned long n_ports;
	/* opened, and the forwarder does not have them yet */
	struct forwarder_request requests[BATCH];
	int fds[BATCH];
	size_t n_requests, n_fds;
};

static int invalid(const char *what, const char *text, struct error *err)
{
	char quoted[256];

	return error_set(err, -EINVAL, "%s: %s", what,
			 goquote(text, strlen(text), quoted, sizeof(quoted)));
}

/* Go's net.ParseIP knows no zones. */
static int parse_ip(const char *what, const char *text, struct addr *ret, struct error *err)
{
	if (strchr(text, '%') || addr_parse(text, ret) < 0)
		return invalid(what, text, err);
	return 0;
}

int rootlessport_child_ip(const char *text, struct addr *ret4, struct addr *ret6,
			  struct error *err)
{
	struct addr a;
	int r = parse_ip("invalid ChildIP", *text ? text : "127.0.0.1", &a, err);

	if (r < 0)
		return r;
	*ret4 = *ret6 = (struct addr){ .family = AF_UNSPEC };
	*(a.family == AF_INET6 ? ret6 : ret4) = a;
	return 0;
}

static int parse_protocol(const char *text, unsigned int *ret, struct error *err)
{
	size_t len = strcspn(text, "46");

	if (strlen(text) - len <= 1) {
		if (len == 3 && strncmp(text, "tcp", len) == 0)
			*ret = PROTO_TCP;
		else if (len == 3 && strncmp(text, "udp", len) == 0)
			*ret = PROTO_UDP;
		else if (len == 4 && strncmp(text, "sctp", len) == 0)
			*ret = 0;
		else
			return invalid("unknown proto", text, err);
		return 0;
	}
	return invalid("unknown proto", text, err);
}

/*
 * As podman 6 has it: no address is one socket for both families, 0.0.0.0 and :: are one family
 * each, and may both be there for a port. (Podman 5 and older never send either of the two for
 * -p, and opened both families for them.)
 */
static int choose_family(const struct run *run, bool has_host_ip, struct addr *a,
			 struct error *err)
{
	sa_family_t wanted = run->protocol[3] == '6' ? AF_INET6 : AF_INET;

	if (!run->protocol[3]) {
		if (!has_host_ip)
			*a = (struct addr){ .family = AF_UNSPEC };
		return 0;
	}
	if (!has_host_ip)
		*a = (struct addr){ .family = wanted };
	if (a->family != wanted)
		return error_set(err, -EADDRNOTAVAIL,
				 "listen %s: address %s: no suitable address found",
				 run->protocol, run->host_ip);
	return 0;
}

/* The first of the earlier ports that is this one too; 0: none. */
static unsigned long same_port(const struct opener *o, const struct run *run, uint32_t port)
{
	for (size_t i = 0; i < o->n; i++) {
		const struct run *other = &o->runs[i];

		if (port >= other->first && port < other->first + other->count &&
		    strcmp(other->protocol, run->protocol) == 0 &&
		    strcmp(other->host_ip, run->host_ip) == 0)
			return other->id + port - other->first;
	}
	return 0;
}

/* listen.h says tcp or udp; Go names the network as it was asked for: tcp4. */
static void name_network(const struct run *run, struct error *err)
{
	char text[ERROR_TEXT_MAX], *at;

	memcpy(text, err->text, sizeof(text));
	at = strstr(text, "listen ");
	if (!at || !run->protocol[3])
		return;
	at += strlen("listen tcp");
	error_set(err, 0, "%.*s%s%s", (int)(at - text), text, run->protocol + 3, at);
}

static int failed(const struct opener *o, const struct run *run, uint32_t port, int r,
		  struct error *err)
{
	unsigned long id = r == -EADDRINUSE ? same_port(o, run, port) : 0;

	if (id)
		return error_set(err, r, "conflict with ID %lu", id);
	name_network(run, err);
	return r;
}

/* What is open goes to the forwarder. */
static int hand_over(struct opener *o, struct error *err)
{
	int r = o->n_fds ? forwarder_call_all(o->forwarder, o->requests, o->n_requests, o->fds,
					      o->n_fds, err) : 0;

	while (o->n_fds > 0)
		fd_close(o->fds[--o->n_fds]);
	o->n_requests = 0;
	return r;
}

/* The request that the next descriptor of @run belongs to. */
static struct forwarder_request *request_of(struct opener *o, const struct run *run, uint32_t at)
{
	uint32_t rule = (uint32_t)o->n + 1;
	struct forwarder_request *next = &o->requests[o->n_requests];

	if (o->n_requests > 0 && next[-1].listen.rule == rule)
		return next - 1;
	*next = (struct forwarder_request){
		.type = FORWARDER_LISTEN,
		.listen = {
			.rule = rule,
			.container_port = (uint16_t)(run->spec.container_port + at),
			.udp = run->spec.protos == PROTO_UDP,
			.spec = run->spec,
		},
	};
	o->n_requests++;
	return next;
}

static int open_port(struct opener *o, const struct run *run, uint32_t at, struct error *err)
{
	int (*open)(const struct addr *, uint16_t *, struct error *) =
		run->spec.protos == PROTO_UDP ? listen_udp : listen_tcp;
	uint16_t port = (uint16_t)(run->first + at);
	int fd = open(&run->spec.host_addr, &port, err), r;

	/* a low limit: fewer at a time then */
	if (fd == -EMFILE && o->n_fds > 0) {
		r = hand_over(o, err);
		if (r < 0)
			return r;
		fd = open(&run->spec.host_addr, &port, err);
	}
	if (fd < 0)
		return failed(o, run, port, fd, err);
	request_of(o, run, at)->listen.count++;
	o->fds[o->n_fds++] = fd;
	return o->n_fds == BATCH ? hand_over(o, err) : 0;
}

static int open_run(struct opener *o, struct run *run, struct error *err)
{
	int r = 0;

	for (uint32_t at = 0; at < run->count && r >= 0; at++)
		r = open_port(o, run, at, err);
	if (r < 0)
		return r;
	if (o->n == o->room) {
		size_t room = o->room ? 2 * o->room : 16;
		struct run *runs = realloc(o->runs, room * sizeof(*runs));

		if (!runs)
			return error_errno(err, -ENOMEM, "%zu mappings", room);
		o->runs = runs;
		o->room = room;
	}
	run->id = o->n_ports + 1;
	o->n_ports += run->count;
	o->runs[o->n++] = *run;
	return 0;
}

/* How many ports there are before one of the two numbers comes to 0 again. */
static uint32_t until_wrap(const struct rootlessport_mapping *m)
{
	uint32_t highest = m->host_port > m->container_port ? m->host_port : m->container_port;

	if (!m->host_port || !m->container_port)
		return 0;
	return m->range < PORTS - highest ? m->range : PORTS - highest;
}

static int open_protocol(struct opener *o, const struct rootlessport_mapping *m,
			 const char *protocol, struct error *err)
{
	struct run run = {
		.host_ip = *m->host_ip ? m->host_ip : "0.0.0.0",
		.first = m->host_port,
		.count = until_wrap(m),
		.spec = { .host_port = m->host_port, .container_port = m->container_port },
	};
	struct addr unused4, unused6;
	int r;

	if (!m->range)
		return 0;
	r = parse_protocol(protocol, &run.spec.protos, err);
	if (r >= 0)
		r = parse_ip("invalid ParentIP", run.host_ip, &run.spec.host_addr, err);
	if (r >= 0)
		r = rootlessport_child_ip(o->child_ip, &unused4, &unused6, err);
	if (r < 0)
		return r;
	if (run.count && !run.spec.protos)
		return error_set(err, -EPROTONOSUPPORT, "unsupported port protocol %s", protocol);
	snprintf(run.protocol, sizeof(run.protocol), "%s", protocol);
	run.spec.count = run.count;
	if (run.count) {
		r = choose_family(&run, *m->host_ip, &run.spec.host_addr, err);
		if (r >= 0)
			r = open_run(o, &run, err);
	}
	if (r >= 0 && run.count < m->range)
		r = error_set(err, -EINVAL, "invalid %s: '\\x00'",
			      (uint16_t)(m->host_port + run.count) ? "ChildPort" : "ParentPort");
	return r;
}

static int open_mapping(struct opener *o, const struct rootlessport_mapping *m,
			struct error *err)
{
	_cleanup_free_ char *list = strdup(m->protocol);
	char *rest = list, *protocol;
	int r = list ? 0 : error_errno(err, -ENOMEM, "a mapping");

	while (r >= 0 && (protocol = strsep(&rest, ",")))
		r = open_protocol(o, m, protocol, err);
	return r;
}

int rootlessport_open(struct client *forwarder, const struct rootlessport_config *c,
		      struct error *err)
{
	struct opener o = { .forwarder = forwarder, .child_ip = c->child_ip };
	int r = 0;

	for (size_t i = 0; i < c->n_mappings && r >= 0; i++)
		r = open_mapping(&o, &c->mappings[i], err);
	if (r >= 0)
		r = hand_over(&o, err);
	while (o.n_fds > 0)
		fd_close(o.fds[--o.n_fds]);
	free(o.runs);
	return r;
}
