/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/slirp4netns/argv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define STRING_OF(x) #x
#define STRING(x) STRING_OF(x)

/* What does not fit makes a->n SLIRP4NETNS_ARGV_MAX, and nothing more is added. */
static void __attribute__((format(printf, 2, 3)))
add(struct slirp4netns_argv *a, const char *fmt, ...)
{
	va_list ap;
	int r;

	if (a->n >= SLIRP4NETNS_ARGV_MAX - 1) {
		a->n = SLIRP4NETNS_ARGV_MAX;
		return;
	}
	va_start(ap, fmt);
	r = vasprintf(&a->v[a->n], fmt, ap);
	va_end(ap);
	if (r < 0)
		a->v[a->n] = NULL;
	a->n = r < 0 ? SLIRP4NETNS_ARGV_MAX : a->n + 1;
}

static int add_outbound(struct slirp4netns_argv *a,
			const struct slirp4netns_options *o,
			const struct slirp4netns_features *f, struct error *err)
{
	if (o->outbound_addr[0]) {
		if (!f->outbound_addr)
			return error_set(err, -EOPNOTSUPP,
					 "outbound_addr not supported");
		add(a, "--outbound-addr=%s", o->outbound_addr);
	}
	if (o->outbound_addr6[0]) {
		if (!f->outbound_addr || !f->enable_ipv6)
			return error_set(err, -EOPNOTSUPP,
					 "outbound_addr6 not supported");
		if (!o->enable_ipv6)
			return error_set(err, -EINVAL,
					 "enable_ipv6=true is required for "
					 "outbound_addr6");
		add(a, "--outbound-addr6=%s", o->outbound_addr6);
	}
	return 0;
}

static int add_options(struct slirp4netns_argv *a, bool sandbox,
		       const struct slirp4netns_options *o,
		       const struct slirp4netns_features *f, struct error *err)
{
	if (!o->allow_host_loopback && f->disable_host_loopback)
		add(a, "--disable-host-loopback");
	if (f->mtu)
		add(a, "--mtu=%d", o->mtu);
	if (sandbox && f->enable_sandbox)
		add(a, "--enable-sandbox");
	if (f->enable_seccomp)
		add(a, "--enable-seccomp");
	if (o->cidr[0]) {
		if (!f->cidr)
			return error_set(err, -EOPNOTSUPP, "cidr not supported");
		add(a, "--cidr=%s", o->cidr);
	}
	if (o->enable_ipv6) {
		if (!f->enable_ipv6)
			return error_set(err, -EOPNOTSUPP,
					 "enable_ipv6 not supported");
		add(a, "--enable-ipv6");
	}
	return add_outbound(a, o, f, err);
}

static void add_target(struct slirp4netns_argv *a,
		       const struct slirp4netns_launch *launch)
{
	add(a, "-c");
	add(a, "-e");
	add(a, STRING(SLIRP4NETNS_EXIT_FD));
	add(a, "-r");
	add(a, STRING(SLIRP4NETNS_READY_FD));
	if (launch->api_path) {
		add(a, "--api-socket");
		add(a, "%s", launch->api_path);
	}
	if (launch->netns_path) {
		add(a, "--netns-type=path");
		add(a, "%s", launch->netns_path);
	} else {
		add(a, "%d", (int)launch->pid);
	}
	add(a, "tap0");
}

int slirp4netns_argv_init(struct slirp4netns_argv *a,
			  const struct slirp4netns_launch *launch,
			  const struct slirp4netns_options *o,
			  const struct slirp4netns_features *features,
			  struct error *err)
{
	int r;

	*a = (struct slirp4netns_argv){ 0 };
	add(a, "%s", launch->path);
	r = add_options(a, launch->sandbox, o, features, err);
	if (r == 0) {
		add_target(a, launch);
		if (a->n >= SLIRP4NETNS_ARGV_MAX)
			r = error_errno(err, -ENOMEM, "slirp4netns");
	}
	if (r < 0)
		slirp4netns_argv_done(a);
	return r;
}

void slirp4netns_argv_done(struct slirp4netns_argv *a)
{
	for (size_t i = 0; i < SLIRP4NETNS_ARGV_MAX; i++)
		free(a->v[i]);
	*a = (struct slirp4netns_argv){ 0 };
}
