/* SPDX-License-Identifier: Apache-2.0 */
#include "rule/spec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/*
 * A part is quoted up to here, so that the reason still fits behind a whole
 * spec of SPEC_TEXT_MAX bytes.
 */
#define PART "\"%.64s\""

/* The parts of a spec; NULL is a part that is not there. */
struct parts {
	char *addr;
	char *host;
	char *container;
	char *proto;
};

/* End @s at its first @c. Returns what follows, NULL when there is no @c. */
static char *cut(char *s, char c)
{
	s = strchr(s, c);
	if (s)
		*s++ = '\0';
	return s;
}

/* "ADDR:HOST:CONTAINER" with more colons than that: IPv6 without brackets? */
static int too_many_colons(const char *s, struct error *err)
{
	const char *container = strrchr(s, ':');
	const char *host = memrchr(s, ':', (size_t)(container - s));
	char front[SPEC_TEXT_MAX + 1];
	struct addr addr;

	snprintf(front, sizeof(front), "%.*s", (int)(host - s), s);
	if (addr_parse(front, &addr) == 0)
		return error_set(err, -EINVAL,
				 "host address " PART " needs brackets: \"[%.64s]%.16s\"",
				 front, front, host);
	return error_set(err, -EINVAL,
			 "too many colons; the form is HOST_ADDR:HOST_PORT:CONTAINER_PORT, with an IPv6 address in brackets");
}

/* @s starts with a bracket. */
static int split_bracketed(char *s, struct parts *p, struct error *err)
{
	char *rest = cut(s, ']');

	if (!rest)
		return error_set(err, -EINVAL, "\"[\" without \"]\"");
	p->addr = s + 1;
	if (*rest && *rest != ':')
		return error_set(err, -EINVAL, "a colon must follow \"]\", not " PART, rest);
	p->host = cut(rest, ':');
	p->container = p->host ? cut(p->host, ':') : NULL;
	if (!p->container)
		return error_set(err, -EINVAL,
				 "a host address takes two ports: \"[%.64s]:HOST_PORT:CONTAINER_PORT\" (HOST_PORT may be empty)",
				 p->addr);
	if (strchr(p->container, ':'))
		return error_set(err, -EINVAL,
				 "too many colons; after \"]\" come HOST_PORT and CONTAINER_PORT");
	return 0;
}

static int split(char *s, struct parts *p, struct error *err)
{
	char *second, *third;

	*p = (struct parts){ .proto = cut(s, '/') };
	if (p->proto && strchr(p->proto, '/'))
		return error_set(err, -EINVAL,
				 "more than one \"/\"; several protocols are written tcp,udp");
	if (*s == '[')
		return split_bracketed(s, p, err);
	if (strpbrk(s, "[]"))
		return error_set(err, -EINVAL,
				 "a bracket out of place; an IPv6 address is written [::1]");

	second = strchr(s, ':');
	third = second ? strchr(second + 1, ':') : NULL;
	if (third && strchr(third + 1, ':'))
		return too_many_colons(s, err);
	if (third) {
		*second = *third = '\0';
		p->addr = s;
		p->host = second + 1;
		p->container = third + 1;
	} else if (second) {
		*second = '\0';
		p->host = s;
		p->container = second + 1;
	} else {
		p->container = s;
	}
	return 0;
}

/* Of what the kernel lets pass (dev_valid_name() in net/core/dev.c): what a spec can hold. */
bool spec_device_is_valid(const char name[IFNAMSIZ])
{
	size_t len = strnlen(name, IFNAMSIZ);

	if (!len || len == IFNAMSIZ || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~' || strchr("/:[]", name[i]))
			return false;
	return true;
}

static int read_device(const char *s, char device[IFNAMSIZ], struct error *err)
{
	if (strlen(s) >= IFNAMSIZ || !spec_device_is_valid(s))
		return error_set(err, -EINVAL,
				 "interface " PART " is not a name of 1 to 15 characters", s);
	memcpy(device, s, strlen(s) + 1);
	return 0;
}

/* A zone belongs to a link-local address: bind(2) ignores any other. */
static int read_link_local(const char *s, struct addr *ret, struct error *err)
{
	int r = addr_parse(s, ret);

	if (r == -ENODEV)
		return error_set(err, -EINVAL,
				 "host address " PART " names an interface that does not exist; `ip link` lists those that do",
				 s);
	if (r < 0)
		return error_set(err, -EINVAL, "host address " PART " is not an IP address", s);
	if (!ret->scope_id)
		return error_set(err, -EINVAL,
				 "host address " PART " is link-local and needs its interface: \"[%.64s%%eth0]\"",
				 s, s);
	return 0;
}

/* "ADDR", "ADDR%INTERFACE", or without brackets "%INTERFACE". @s is changed. */
static int read_host(char *s, bool bracketed, struct port_spec *spec, struct error *err)
{
	char *percent = strchr(s, '%'), *device;
	struct addr a;
	int r = 0;

	if (!*s || (percent == s && bracketed))
		return error_set(err, -EINVAL,
				 "host address is empty; for every address leave out its colon too");
	if (percent != s) {
		if (percent)
			*percent = '\0';
		r = addr_parse(s, &a);
		if (percent)
			*percent = '%';
		if (r < 0)
			return error_set(err, -EINVAL, "host address " PART " is not an IP address", s);
		spec->host_addr = a;
		if (a.family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&a.v6))
			return read_link_local(s, &spec->host_addr, err);
	}
	device = cut(s, '%');
	return device ? read_device(device, spec->device, err) : 0;
}

/* Digits alone: neither sign nor blank, which strtoul(3) would let pass. */
static int read_port(const char *what, const char *s, uint16_t *ret, struct error *err)
{
	unsigned int n = 0;

	if (s[strspn(s, "0123456789")])
		return error_set(err, -EINVAL, "%s " PART " is not a number", what, s);
	for (const char *p = s; *p && n <= UINT16_MAX; p++)
		n = n * 10 + (unsigned int)(*p - '0');
	if (n < 1 || n > UINT16_MAX)
		return error_set(err, -EINVAL, "%s " PART " is not between 1 and 65535", what, s);
	*ret = (uint16_t)n;
	return 0;
}

/* @s is not empty. */
static int read_range(const char *what, char *s, uint16_t *ret_first, uint32_t *ret_count,
		      struct error *err)
{
	char *dash = strchr(s, '-'), *end;
	uint16_t first, last;
	int r;

	if (dash && (dash == s || !dash[1] || strchr(dash + 1, '-')))
		return error_set(err, -EINVAL, "%s range " PART " is not START-END", what, s);
	end = cut(s, '-');
	r = read_port(what, s, &first, err);
	if (r >= 0)
		r = read_port(what, end ? end : s, &last, err);
	if (r < 0)
		return r;
	if (end && last <= first)
		return error_set(err, -EINVAL, "%s range \"%.64s-%.64s\" does not increase", what,
				 s, end);
	*ret_first = first;
	*ret_count = (uint32_t)(last - first) + 1;
	return 0;
}

static int read_ports(const struct parts *p, struct port_spec *spec, struct error *err)
{
	uint32_t host_count = 0;
	struct addr addr;
	int r;

	if (p->host && *p->host) {
		if (!p->addr && addr_parse(p->host, &addr) == 0)
			return error_set(err, -EINVAL,
					 "host port " PART " is an address, which takes two ports: \"%.64s:HOST_PORT:CONTAINER_PORT\" (HOST_PORT may be empty)",
					 p->host, p->host);
		if (!p->addr && strchr(p->host, '%'))
			return error_set(err, -EINVAL,
					 "host port " PART " names an interface, which takes two ports: \"%.64s:HOST_PORT:CONTAINER_PORT\" (HOST_PORT may be empty)",
					 p->host, p->host);
		if (!p->host[strspn(p->host, "0")])
			return error_set(err, -EINVAL,
					 "host port " PART " is not between 1 and 65535; for a free one leave it empty",
					 p->host);
		r = read_range("host port", p->host, &spec->host_port, &host_count, err);
		if (r < 0)
			return r;
	}
	if (!*p->container)
		return error_set(err, -EINVAL, "container port is missing");
	r = read_range("container port", p->container, &spec->container_port, &spec->count, err);
	if (r < 0)
		return r;
	if (spec->host_port && host_count != spec->count)
		return error_set(err, -EINVAL,
				 "host and container port ranges have different lengths: %u vs %u",
				 host_count, spec->count);
	return 0;
}

static int read_protos(char *list, unsigned int *ret, struct error *err)
{
	unsigned int protos = 0, bit;
	char *next;

	for (char *s = list; s; s = next) {
		next = cut(s, ',');
		if (strcasecmp(s, "tcp") == 0)
			bit = PROTO_TCP;
		else if (strcasecmp(s, "udp") == 0)
			bit = PROTO_UDP;
		else if (*s)
			return error_set(err, -EINVAL,
					 "unsupported protocol " PART "; use tcp, udp or tcp,udp", s);
		else
			return error_set(err, -EINVAL, "protocol is empty; use tcp, udp or tcp,udp");
		if (protos & bit)
			return error_set(err, -EINVAL, "protocol " PART " is given twice", s);
		protos |= bit;
	}
	*ret = protos;
	return 0;
}

int spec_parse(const char *text, struct port_spec *ret, struct error *err)
{
	struct port_spec spec = { .protos = PROTO_TCP };
	char buf[SPEC_TEXT_MAX + 1];
	struct parts parts;
	size_t len = strlen(text);
	int r;

	if (len > SPEC_TEXT_MAX)
		return error_set(err, -EINVAL,
				 "invalid port \"%.64s...\": %zu bytes long, at most %d are read",
				 text, len, SPEC_TEXT_MAX);
	memcpy(buf, text, len + 1);
	r = split(buf, &parts, err);
	if (r >= 0 && parts.addr)
		r = read_host(parts.addr, text[0] == '[', &spec, err);
	if (r >= 0)
		r = read_ports(&parts, &spec, err);
	if (r >= 0 && parts.proto)
		r = read_protos(parts.proto, &spec.protos, err);
	if (r < 0)
		return error_wrap(err, r, "invalid port \"%s\"", text);
	*ret = spec;
	return 0;
}

static void format_range(char buf[16], uint16_t first, uint32_t count)
{
	if (count > 1)
		snprintf(buf, 16, "%u-%u", first, first + count - 1);
	else
		snprintf(buf, 16, "%u", first);
}

/* "", or "%eth0" in @buf. */
static const char *format_device(const struct port_spec *spec, char buf[IFNAMSIZ + 1])
{
	snprintf(buf, IFNAMSIZ + 1, "%s%.15s", *spec->device ? "%" : "", spec->device);
	return buf;
}

const char *spec_format(const struct port_spec *spec, char *buf, size_t size)
{
	bool any = spec->host_addr.family == AF_UNSPEC;
	bool v6 = spec->host_addr.family == AF_INET6;
	bool tcp = spec->protos & PROTO_TCP, udp = spec->protos & PROTO_UDP;
	char addr[ADDR_TEXT_MAX] = "", device[IFNAMSIZ + 1], host[16] = "", container[16];
	bool has_front = !any || *spec->device;

	if (!any)
		addr_format(&spec->host_addr, addr);
	if (spec->host_port)
		format_range(host, spec->host_port, spec->count);
	format_range(container, spec->container_port, spec->count);
	snprintf(buf, size, "%s%s%s%s%s%s%s/%s%s%s", v6 ? "[" : "", addr,
		 format_device(spec, device), v6 ? "]:" : has_front ? ":" : "", host,
		 has_front || spec->host_port ? ":" : "", container,
		 tcp ? "tcp" : "", tcp && udp ? "," : "", udp ? "udp" : "");
	return buf;
}

const char *spec_format_host(const struct port_spec *spec, uint16_t port, char buf[SPEC_HOST_MAX])
{
	bool v6 = spec->host_addr.family == AF_INET6;
	char addr[ADDR_TEXT_MAX] = "", device[IFNAMSIZ + 1];

	if (spec->host_addr.family || !*spec->device)
		addr_format(&spec->host_addr, addr);
	snprintf(buf, SPEC_HOST_MAX, "%s%.70s%s%s:%u", v6 ? "[" : "", addr,
		 format_device(spec, device), v6 ? "]" : "", port);
	return buf;
}

bool spec_same_host(const struct port_spec *a, const struct port_spec *b)
{
	return addr_equal(&a->host_addr, &b->host_addr) &&
	       strncmp(a->device, b->device, sizeof(a->device)) == 0;
}

static bool is_wildcard(const struct addr *a)
{
	if (a->family == AF_INET)
		return a->v4.s_addr == INADDR_ANY;
	return IN6_IS_ADDR_UNSPECIFIED(&a->v6);
}

static bool addrs_clash(const struct addr *a, const struct addr *b)
{
	if (a->family == AF_UNSPEC || b->family == AF_UNSPEC)
		return true;
	if (a->family != b->family)
		return false;
	return is_wildcard(a) || is_wildcard(b) || addr_equal(a, b);
}

/* Where one has a zone, the kernel finds out. */
static bool are_apart(const struct port_spec *a, const struct port_spec *b)
{
	bool a_names = *a->device || a->host_addr.scope_id;
	bool b_names = *b->device || b->host_addr.scope_id;

	return a_names && b_names &&
	       strncmp(a->device, b->device, sizeof(a->device)) != 0;
}

bool spec_overlaps(const struct port_spec *a, const struct port_spec *b)
{
	if (!(a->protos & b->protos) || !a->host_port || !b->host_port)
		return false;
	if (a->host_port >= b->host_port + b->count || b->host_port >= a->host_port + a->count)
		return false;
	return !are_apart(a, b) && addrs_clash(&a->host_addr, &b->host_addr);
}
