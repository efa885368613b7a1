/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docker-proxy: a drop-in for Docker's userland proxy (moby, cmd/docker-proxy),
 * which dockerd starts once a published port, protocol and family. Its argv is
 * left as it is, since that is what people look for.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/goflag.h"
#include "cmd/options.h"
#include "forwarder/alone.h"
#include "isolation/hide.h"
#include "supervisor/listen.h"
#include "supervisor/netns.h"
#include "supervisor/rootlesskit.h"

/* What dockerd passes: where the outcome is told, and the socket of -use-listen-fd. */
#define STATUS_FD 3
#define LISTEN_FD 4

/* So long Docker's own keeps a session, whoever spoke last. */
#define UDP_TIMEOUT 90

#define EXIT_FLAGS 2 /* as of Go's flag package */

struct proxy {
	const char *proto;
	struct addr host, container;
	int host_port, container_port;
	bool use_listen_fd, version;
	bool udp;
};

static const char usage[] =
	"  -container-ip value\n"
	"    \tcontainer ip\n"
	"  -container-port int\n"
	"    \tcontainer port (default -1)\n"
	"  -host-ip value\n"
	"    \thost ip (default 0.0.0.0)\n"
	"  -host-port int\n"
	"    \thost port (default -1)\n"
	"  -proto string\n"
	"    \tproxy protocol: tcp or udp (default \"tcp\")\n"
	"  -use-listen-fd\n"
	"    \tuse a supplied listen fd\n"
	"  -v\tprint version information and quit\n"
	"  -version\n"
	"    \tprint version information and quit\n"
	"The environment's PORTSHUNT_DATAPATH is auto, shunt, sockmap or splice, and\n"
	"PORTSHUNT_RULE_LIMIT is what --rule-limit of portshunt attach takes.\n";

/* Returns as goflag_parse(). */
static int parse(char **argv, struct proxy *p, struct error *err)
{
	const struct goflag flags[] = {
		{ "proto", false, goflag_string, &p->proto },
		{ "host-ip", false, goflag_addr, &p->host },
		{ "host-port", false, goflag_int, &p->host_port },
		{ "container-ip", false, goflag_addr, &p->container },
		{ "container-port", false, goflag_int, &p->container_port },
		{ "use-listen-fd", true, goflag_bool, &p->use_listen_fd },
		{ "v", true, goflag_bool, &p->version },
		{ "version", true, goflag_bool, &p->version },
		{ 0 },
	};

	*p = (struct proxy){
		.proto = "tcp",
		.host = { .family = AF_INET },
		.host_port = -1,
		.container_port = -1,
	};
	return goflag_parse(argv + 1, flags, err);
}

/* Where the original would connect to this host itself, this is an error. */
static int check(struct proxy *p, struct error *err)
{
	p->udp = strcmp(p->proto, "udp") == 0;
	if (strcmp(p->proto, "sctp") == 0)
		return error_set(err, -EPROTONOSUPPORT, "unsupported protocol sctp: portshunt "
				 "forwards tcp and udp");
	if (!p->udp && strcmp(p->proto, "tcp") != 0)
		return error_set(err, -EINVAL, "unsupported protocol %s", p->proto);
	if (!p->container.family)
		return error_set(err, -EINVAL, "-container-ip is missing");
	if (p->container_port < 1 || p->container_port > UINT16_MAX)
		return error_set(err, -EINVAL, "-container-port %d is no port",
				 p->container_port);
	return 0;
}

/*
 * Fail where a listener would be reached by nobody: in rootless Docker before 28, as its
 * userland-proxy-path. dockerd is in RootlessKit's network namespace there, and has the host's
 * port opened by rootlesskit-docker-proxy, which this program would replace: `docker ps` shows
 * the port and every connect is refused.
 *
 * All of these processes have ROOTLESSKIT_STATE_DIR in their environment. Docker 28 asks
 * RootlessKit itself, and passes -use-listen-fd. rootlesskit-docker-proxy starts "docker-proxy"
 * by that name alone (its main.go, up to 3.0), dockerd by the whole path (moby,
 * libnetwork/portmapper/proxy_linux.go, 20.10 to 27).
 */
static int check_rootless(const char *argv0, const struct proxy *p, struct error *err)
{
	const char *state_dir = getenv("ROOTLESSKIT_STATE_DIR");
	bool wants_request;
	int r;

	if (!state_dir || !*state_dir || p->use_listen_fd || !strchr(argv0, '/'))
		return 0;
	r = rootlesskit_wants_request(state_dir, &wants_request, err);
	if (r < 0)
		return error_wrap(err, r, "cannot find out whether rootless Docker opens host port %d",
				  p->host_port);
	if (!wants_request)
		return 0;
	return error_set(err, -EOPNOTSUPP, "userland-proxy-path: %s: rootless Docker before 28 opens "
			 "host ports by rootlesskit-docker-proxy alone, and port %d would stay "
			 "closed; remove userland-proxy-path, and put the directory of this "
			 "docker-proxy first in the PATH of dockerd", argv0, p->host_port);
}

static int adopt(const struct proxy *p, struct error *err)
{
	int r = listen_adopt(p->udp, LISTEN_FD);

	if (r == -EPROTOTYPE)
		return error_set(err, r, "unexpected socket type for listener fd: it is not %s",
				 p->proto);
	if (r < 0)
		return error_errno(err, r, "-use-listen-fd: fd %d", LISTEN_FD);
	return LISTEN_FD;
}

/* In the words of Go's net package. */
static int listen_failed(const struct proxy *p, const char *call, int r, struct error *err)
{
	bool v6 = p->host.family == AF_INET6;
	char text[ADDR_TEXT_MAX];

	addr_format(&p->host, text);
	return error_set(err, r, "listen %s%c %s%s%s:%d: %s: %s%s", p->proto, v6 ? '6' : '4',
			 v6 ? "[" : "", text, v6 ? "]" : "", p->host_port, call, errno_text(r),
			 listen_hint(p->host.family, r));
}

static int open_host(const struct proxy *p, struct error *err)
{
	const char *call = "bind";
	int fd = -EINVAL;

	if (p->use_listen_fd)
		return adopt(p, err);
	if (p->host_port >= 0 && p->host_port <= UINT16_MAX)
		fd = listen_socket(p->udp, &p->host, (uint16_t)p->host_port, 1, &call);
	return fd < 0 ? listen_failed(p, call, fd, err) : fd;
}

/* The container's address is one of this host: asked before isolation_enter(). */
static bool container_is_local;

static int make_socket(bool udp, sa_family_t family)
{
	/* this is the host's namespace, and the kernel's autotuning may be for a container far away */
	return udp ? netns_udp_socket(family) :
		     netns_socket(family, container_is_local, container_is_local);
}

/* One that cannot be had would be tried again and again, while the clients wait. */
static int check_container(const struct proxy *p, struct error *err)
{
	_cleanup_close_ int fd = make_socket(p->udp, p->container.family);
	char text[ADDR_TEXT_MAX];

	if (fd >= 0)
		return 0;
	return error_set(err, fd, "-container-ip %s: socket: %s%s",
			 addr_format(&p->container, text), errno_text(fd),
			 listen_hint(p->container.family, fd));
}

static int start(const char *argv0, struct proxy *p, int status_fd, struct error *err)
{
	struct alone alone = {
		.udp_limits = { UDP_TIMEOUT, UDP_TIMEOUT },
		.make = make_socket,
	};
	_cleanup_(config_done) struct config options;
	int r = check(p, err);

	config_init(&options);
	/*
	 * One of these runs for each port, and the shunt takes 3 MB of the kernel's
	 * memory and a second process each time. auto is for who asks for it.
	 */
	options.datapath = DATAPATH_SPLICE;
	if (r >= 0)
		r = check_rootless(argv0, p, err);
	if (r >= 0)
		r = options_read_environment(&options, err);
	if (r < 0)
		return r;
	r = check_container(p, err);
	if (r < 0)
		return r;
	alone.listen_fd = r = open_host(p, err);
	if (r < 0)
		return r;
	fd_close_all_but((int[]){ STDERR_FILENO, status_fd, alone.listen_fd }, 3);
	log_open();
	container_is_local = netns_has_address(&p->container);
	alone.datapath = options.datapath;
	alone.all_limits = options.all_limits;
	alone.rule_limits = options.rule_limits;
	alone.udp = p->udp;
	alone.target = p->container;
	alone.target_port = (uint16_t)p->container_port;
	return alone_open(&alone, err);
}

/* In one write: dockerd reads the first two bytes at once. */
static void tell(int status_fd, const char *outcome, const char *why)
{
	char text[ERROR_TEXT_MAX + 4];
	int len = snprintf(text, sizeof(text), "%s\n%s", outcome, why);

	if (status_fd < 0)
		return;
	fd_write_all(status_fd, text, (size_t)len);
	fd_close(status_fd);
}

int cmd_docker_proxy(int argc, char **argv)
{
	/* by hand it may be missing, and a socket of ours must not be taken for it */
	int status_fd = fd_set_cloexec(STATUS_FD, 1) < 0 ? -1 : STATUS_FD;
	struct error err = { "" };
	struct proxy proxy;
	int r = parse(argv, &proxy, &err);

	isolation_hide();
	if (r != 0) {
		fprintf(stderr, "%s%sUsage of %s:\n%s", err.text, *err.text ? "\n" : "", argv[0],
			usage);
		return r < 0 ? EXIT_FLAGS : 0;
	}
	if (proxy.version) {
		printf("docker-proxy (portshunt) version " VERSION "\n");
		return 0;
	}
	r = start(argv[0], &proxy, status_fd, &err);
	if (r < 0) {
		tell(status_fd, "1", err.text);
		if (status_fd < 0)
			log_error("%s", err.text);
		return 1;
	}
	tell(status_fd, "0", "");
	r = alone_run();
	if (r < 0)
		log_error("docker-proxy: %s", errno_text(r));
	log_last();
	return r < 0 ? 1 : 0;
}
