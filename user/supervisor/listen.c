/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/tcp.h"
#include "base/udp.h"
#include "supervisor/holder.h"

/* As large as the kernel allows: net.core.somaxconn cuts it (listen(2)). */
#define BACKLOG 65535

static int unprivileged_port_start(void)
{
	_cleanup_fclose_ FILE *f =
		fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
	int start = 1024;

	if (f && fscanf(f, "%d", &start) != 1)
		start = 1024;
	return start;
}

static int failed(bool udp, const struct addr *host, uint16_t port, const char *call, int r,
		  struct error *err)
{
	char text[ADDR_TEXT_MAX];
	int start;

	addr_format_port(host, port, text);
	if (r == -EAFNOSUPPORT)
		return error_set(err, r, "listen %s %s: %s: %s%s", udp ? "udp" : "tcp", text, call,
				 errno_text(r), listen_hint(host->family, r));
	error_errno(err, r, "listen %s %s: %s", udp ? "udp" : "tcp", text, call);
	if (r != -EACCES)
		return r;
	start = unprivileged_port_start();
	return error_wrap(err, r,
			  "cannot expose privileged port %d, you can add "
			  "'net.ipv4.ip_unprivileged_port_start=%d' to /etc/sysctl.conf "
			  "(currently %d), or choose a larger port number (>= %d)",
			  port, port, start, start);
}

static int set_options(int fd, bool udp, int family, int v6only)
{
	int on = 1;

	/* not SO_REUSEPORT, nor either of them for UDP: it would hide that a port is busy */
	if (!udp && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only,
					     sizeof(v6only)) < 0)
		return -errno;
	if (!udp)
		return tcp_set_options(fd);
	udp_set_buffers(fd);
	return 0;
}

/* What a port spec may ask for besides. */
static int set_spec_options(int fd, int family, const struct port_spec *spec,
			    const char **ret_call)
{
	int on = 1, level = family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;

	*ret_call = "SO_BINDTODEVICE";
	if (*spec->device && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, spec->device,
					sizeof(spec->device)) < 0)
		return -errno;
	*ret_call = "IP_FREEBIND";
	if (spec->freebind && setsockopt(fd, level, family == AF_INET6 ? IPV6_FREEBIND :
					 IP_FREEBIND, &on, sizeof(on)) < 0)
		return -errno;
	return 0;
}

/* @spec, if not NULL, says more. */
static int open_socket(bool udp, const struct addr *at, uint16_t port, int v6only,
		       const struct port_spec *spec, const char **ret_call)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(at, port, &ss);
	int r;

	*ret_call = "socket";
	fd = socket(ss.ss_family,
		    (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	*ret_call = "setsockopt";
	r = set_options(fd, udp, ss.ss_family, v6only);
	if (r >= 0 && spec)
		r = set_spec_options(fd, ss.ss_family, spec, ret_call);
	if (r < 0)
		return r;
	*ret_call = "bind";
	if (bind(fd, (struct sockaddr *)&ss, len) < 0)
		return -errno;
	*ret_call = "listen";
	if (!udp && listen(fd, BACKLOG) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int listen_socket(bool udp, const struct addr *at, uint16_t port, int v6only,
		  const char **ret_call)
{
	return open_socket(udp, at, port, v6only, NULL, ret_call);
}

static int number_of(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, level, name, &value, &len) < 0 ? -1 : value;
}

static bool is_of_our_network(int fd)
{
	_cleanup_close_ int own = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t theirs, ours;

	return fd_netns_cookie(fd, &theirs) == 0 && fd_netns_cookie(own, &ours) == 0 &&
	       theirs == ours;
}

/* One family alone where an address was given; else both, or IPv4 on a host without IPv6. */
static bool is_bound_to(int fd, const struct addr *host, uint16_t port)
{
	static const struct addr any4 = { .family = AF_INET }, any6 = { .family = AF_INET6 };
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	uint16_t bound_port;
	struct addr bound;
	bool one_family;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0 ||
	    addr_from_sockaddr(&ss, &bound, &bound_port) < 0 || bound_port != port)
		return false;
	if (host->family != AF_UNSPEC &&
	    (ss.ss_family != host->family || !addr_equal(&bound, host)))
		return false;
	if (ss.ss_family == AF_INET)
		return host->family != AF_UNSPEC || addr_equal(&bound, &any4);
	one_family = number_of(fd, IPPROTO_IPV6, IPV6_V6ONLY) == 1;
	return one_family == (host->family != AF_UNSPEC) &&
	       (host->family != AF_UNSPEC || addr_equal(&bound, &any6));
}

/* A link-local address has a zone instead, which is_bound_to() has compared. */
static bool is_bound_to_device(int fd, const struct port_spec *spec)
{
	char device[IFNAMSIZ] = "";
	socklen_t len = sizeof(device);

	return spec->host_addr.scope_id ||
	       (getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, &len) == 0 &&
		strncmp(device, spec->device, sizeof(device)) == 0);
}

const char *listen_fault(int fd, bool udp, const struct port_spec *spec, uint16_t port)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (number_of(fd, SOL_SOCKET, SO_PROTOCOL) != (udp ? IPPROTO_UDP : IPPROTO_TCP) ||
	    number_of(fd, SOL_SOCKET, SO_TYPE) != (udp ? SOCK_DGRAM : SOCK_STREAM))
		return udp ? "is no UDP socket" : "is no TCP socket";
	if (!is_of_our_network(fd))
		return "is of another network namespace";
	if (!is_bound_to(fd, &spec->host_addr, port))
		return "is bound to another address or port";
	if (!is_bound_to_device(fd, spec))
		return "is bound to another interface";
	if (!udp && number_of(fd, SOL_SOCKET, SO_ACCEPTCONN) != 1)
		return "does not listen";
	if (udp && getpeername(fd, (struct sockaddr *)&ss, &len) == 0)
		return "is connected";
	return NULL;
}

int listen_adopt(bool udp, int fd)
{
	socklen_t len = sizeof(int);
	int type, r;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return -errno;
	if (type != (udp ? SOCK_DGRAM : SOCK_STREAM))
		return -EPROTOTYPE;
	r = fd_set_nonblock(fd);
	if (r >= 0)
		r = fd_set_cloexec(fd, 1);
	if (udp)
		udp_set_buffers(fd);
	else if (r >= 0)
		r = tcp_set_options(fd);
	/* whoever listens already only gets the longer queue */
	if (r >= 0 && !udp && listen(fd, BACKLOG) < 0)
		r = -errno;
	return r;
}

enum ipv6 { UNKNOWN, UNUSABLE, FORBIDDEN, USABLE };

/*
 * Whether any interface has an IPv6 address, and lo has one wherever IPv6 is on: disabled by
 * sysctl, a socket of that family could still be bound. And whether a socket can be made:
 * seccomp may refuse it where lo has an address, systemd.exec(5), RestrictAddressFamilies=.
 */
static enum ipv6 find_ipv6(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/net/if_inet6", "re");
	_cleanup_close_ int fd = -1;

	if (!f || fgetc(f) == EOF)
		return UNUSABLE;
	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd < 0 && errno == EAFNOSUPPORT ? FORBIDDEN : USABLE;
}

static enum ipv6 ipv6_of_host(void)
{
	static enum ipv6 ipv6;

	if (ipv6 == UNKNOWN)
		ipv6 = find_ipv6();
	return ipv6;
}

const char *listen_hint(sa_family_t family, int r)
{
	return family == AF_INET6 && r == -EAFNOSUPPORT ?
		       "; this host has no IPv6, or forbids it (systemd: RestrictAddressFamilies=)" :
		       "";
}

static int open_dual_stack(bool udp, uint16_t port, const struct port_spec *spec,
			   const char **ret_call)
{
	static const struct addr any6 = { .family = AF_INET6 };
	static const struct addr any4 = { .family = AF_INET };
	enum ipv6 ipv6 = ipv6_of_host();
	static bool is_logged;

	if (ipv6 == USABLE)
		return open_socket(udp, &any6, port, 0, spec, ret_call);
	if (!is_logged)
		log_info("this host has no IPv6%s: listening on IPv4 only", ipv6 == FORBIDDEN ?
			 " that may be used (systemd: RestrictAddressFamilies=)" : "");
	is_logged = true;
	return open_socket(udp, &any4, port, 0, spec, ret_call);
}

/* bind(2) to :: succeeds without a single address. */
static void warn_of_no_ipv6(const struct addr *host, uint16_t port)
{
	static bool is_logged;
	char text[ADDR_TEXT_MAX];

	if (is_logged || host->family != AF_INET6 || !IN6_IS_ADDR_UNSPECIFIED(&host->v6) ||
	    ipv6_of_host() != UNUSABLE)
		return;
	log_warn("%s: this host has no IPv6 address: nobody can reach this port; enable IPv6 "
		 "(sysctl net.ipv6.conf.all.disable_ipv6=0), or publish it on IPv4",
		 addr_format_port(host, port, text));
	is_logged = true;
}

/* Returns a descriptor, or -errno with *ret_call, for the caller's words. */
static int listen_on(bool udp, const struct addr *host, uint16_t *port,
		     const struct port_spec *spec, const char **ret_call)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr unused;

	if (host->family == AF_UNSPEC)
		fd = open_dual_stack(udp, *port, spec, ret_call);
	else
		fd = open_socket(udp, host, *port, 1, spec, ret_call);
	if (fd >= 0 && !*port && getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
		addr_from_sockaddr(&ss, &unused, port);
	warn_of_no_ipv6(host, *port);
	return TAKE_FD(fd);
}

static int listen_any(bool udp, const struct addr *host, uint16_t *port, struct error *err)
{
	const char *call;
	int fd = listen_on(udp, host, port, NULL, &call);

	return fd < 0 ? failed(udp, host, *port, call, fd, err) : fd;
}

int listen_tcp(const struct addr *host, uint16_t *port, struct error *err)
{
	return listen_any(false, host, port, err);
}

int listen_udp(const struct addr *host, uint16_t *port, struct error *err)
{
	return listen_any(true, host, port, err);
}

/* Nothing is looked for where nobody reads of it. */
static int spec_failed(bool udp, const struct port_spec *spec, uint16_t port, const char *call,
		       int r, struct error *err)
{
	const char *proto = udp ? "udp" : "tcp";
	char at[SPEC_HOST_MAX];
	struct holder holder;

	if (!err)
		return r;
	if ((r == -EACCES && strcmp(call, "bind") == 0) || r == -EAFNOSUPPORT)
		return failed(udp, &spec->host_addr, port, call, r, err);
	spec_format_host(spec, port, at);
	if (r == -EADDRINUSE && port) {
		holder_find(udp, spec, port, &holder);
		return error_set(err, r, "listen %s %s: %s: %s: %s", proto,
				 *holder.part ? holder.part : at, call, errno_text(r), holder.text);
	}
	if (strcmp(call, "SO_BINDTODEVICE") == 0 && r == -ENODEV)
		return error_set(err, r, "listen %s %s: there is no interface %s; `ip link` lists those "
				 "that there are", proto, at, spec->device);
	if (strcmp(call, "SO_BINDTODEVICE") == 0 && r == -EPERM)
		return error_set(err, r, "listen %s %s: %s: %s; start it as root", proto, at, call,
				 errno_text(r));
	if (r == -EADDRNOTAVAIL && strcmp(call, "bind") == 0)
		return error_set(err, r, "listen %s %s: %s: %s; `ip address` lists the addresses that "
				 "this host has, --freebind publishes one that comes later", proto,
				 at, call, errno_text(r));
	return error_errno(err, r, "listen %s %s: %s", proto, at, call);
}

int listen_spec(bool udp, const struct port_spec *spec, uint16_t *port, struct error *err)
{
	const char *call;
	int fd = listen_on(udp, &spec->host_addr, port, spec, &call);

	return fd < 0 ? spec_failed(udp, spec, *port, call, fd, err) : fd;
}
