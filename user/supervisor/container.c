/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/container.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "supervisor/supervisor.h"

/* A router may have a million routes: more lines are not read, and nothing is said. */
#define LINES_MAX 20000

static FILE *open_net(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/net/%s", pid, name);
	return fopen(path, "re");
}

/*
 * Lines "|-- 10.0.3.7" and below that "/32 host LOCAL": fib_trie_seq_show() of
 * net/ipv4/fib_trie.c. A local route may be of a network, as 127.0.0.0/8 is.
 */
static bool has_ipv4(FILE *f, const struct addr *a)
{
	char line[256], text[64], type[32];
	struct in_addr network = { 0 };
	unsigned int len;
	uint32_t mask;

	for (int i = 0; fgets(line, sizeof(line), f); i++) {
		if (i == LINES_MAX)
			return true;
		if (sscanf(line, " |-- %63s", text) == 1)
			inet_pton(AF_INET, text, &network);
		if (sscanf(line, " /%u host %31s", &len, type) != 2 || len > 32 ||
		    strcmp(type, "LOCAL") != 0)
			continue;
		mask = len ? htonl(UINT32_MAX << (32 - len)) : 0;
		if (((a->v4.s_addr ^ network.s_addr) & mask) == 0)
			return true;
	}
	return false;
}

/* Lines "fd00...0001 02 40 00 80 eth0": if6_seq_show() of net/ipv6/addrconf.c. */
static bool has_ipv6(FILE *f, const struct addr *a)
{
	char wanted[2 * sizeof(a->v6) + 1], line[256];

	for (size_t i = 0; i < sizeof(a->v6); i++)
		snprintf(wanted + 2 * i, 3, "%02x", a->v6.s6_addr[i]);
	for (int i = 0; fgets(line, sizeof(line), f); i++)
		if (i == LINES_MAX || strncmp(line, wanted, sizeof(wanted) - 1) == 0)
			return true;
	return false;
}

bool container_has_address(pid_t pid, const struct addr *a)
{
	_cleanup_fclose_ FILE *f = open_net(pid, a->family == AF_INET6 ? "if_inet6" : "fib_trie");

	if (!f)
		return true;
	return a->family == AF_INET6 ? has_ipv6(f, a) : has_ipv4(f, a);
}

/* Calls @tell with each warning. */
static void check(const struct supervisor *s, const struct addr *a,
		  void (*tell)(void *context, const char *warning), void *context)
{
	char text[ADDR_TEXT_MAX], warning[128];

	if (!a->family || container_has_address(s->netns.process.pid, a))
		return;
	snprintf(warning, sizeof(warning), "nothing in the namespace has %s",
		 addr_format(a, text));
	tell(context, warning);
}

static void tell_log(void *context, const char *warning)
{
	log_warn("%s", warning);
}

void container_check(const struct supervisor *s, const struct addr *child4,
		     const struct addr *child6)
{
	check(s, child4, tell_log, NULL);
	check(s, child6, tell_log, NULL);
}

/* The namespace is kept by the netns child, whatever becomes of its name. */
static bool is_replaced(const struct supervisor *s)
{
	const char *path = s->config->netns_path;
	char name[NETNS_NAME_MAX] = "";
	struct stat st;

	if (!path || s->config->command || !*s->netns_name)
		return false;
	if (stat(path, &st) == 0)
		netns_name_of(&st, name);
	else if (errno != ENOENT)
		return false;
	return strcmp(name, s->netns_name) != 0;
}

static void tell_json(void *list, const char *warning)
{
	json_append(list, json_new_string(warning));
}

struct json *container_warnings(const struct supervisor *s, const struct addr *child4,
				const struct addr *child6)
{
	struct json *list = json_new_array();
	char text[ERROR_TEXT_MAX];

	check(s, child4, tell_json, list);
	check(s, child6, tell_json, list);
	if (is_replaced(s)) {
		snprintf(text, sizeof(text), "%.300s is not the namespace any more that "
			 "connections go to", s->config->netns_path);
		tell_json(list, text);
	}
	return list;
}

/* Namespaces get and lose their names by mounts, so this is called for each mount of the host. */
static void on_mounts(struct loop_source *source, uint32_t events)
{
	struct supervisor *s = (void *)((char *)source - offsetof(struct supervisor, mounts));
	bool is = is_replaced(s);

	if (is && !s->is_replaced && log_allowed(&s->replaced_limit))
		log_warn("--netns %s: the namespace was deleted or replaced: connections still go "
			 "to the old one; start portshunt again for the new one",
			 s->config->netns_path);
	s->is_replaced = is;
}

void container_watch(struct supervisor *s)
{
	int fd;

	if (!s->config->netns_path)
		return;
	/* proc(5): poll(2) says POLLERR and POLLPRI for each change */
	fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && loop_add(&s->loop, &s->mounts, fd, EPOLLPRI, on_mounts) < 0)
		close(fd);
}
