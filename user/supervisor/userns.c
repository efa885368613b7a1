/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"

/* More ranges than this in one file are cut: the kernel takes 340 lines. */
#define RANGES_MAX 64

struct range {
	unsigned long start, count;
};

struct map {
	const char *tool; /* newuidmap or newgidmap */
	const char *file; /* uid_map or gid_map */
	unsigned int own; /* the caller's id */
	struct range ranges[RANGES_MAX];
	int n_ranges;
};

/*
 * Runs a program of the uidmap package; its own words go nowhere, ours say
 * what it means. @out: where its stdout goes, -1: nowhere.
 */
static int run_tool(char **argv, int out)
{
	posix_spawn_file_actions_t actions;
	int r, status = 0;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	if (out >= 0)
		posix_spawn_file_actions_adddup2(&actions, out, 1);
	else
		posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	r = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (r)
		return -r;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

/*
 * getsubids(1) asks /etc/subuid or whatever nsswitch.conf names, and prints
 * lines of "0: user 100000 65536".
 */
static void read_ranges(struct map *m, char **argv)
{
	_cleanup_close_ int memory = memfd_create("subids", MFD_CLOEXEC);
	_cleanup_fclose_ FILE *f = NULL;
	struct range range;

	if (memory < 0 || run_tool(argv, memory) < 0)
		return;
	f = fdopen(TAKE_FD(memory), "r");
	if (!f)
		return;
	rewind(f);
	while (m->n_ranges < RANGES_MAX &&
	       fscanf(f, "%*d: %*s %lu %lu", &range.start, &range.count) == 2)
		m->ranges[m->n_ranges++] = range;
}

/* newuidmap PID 0 OWN 1 [INSIDE OUTSIDE COUNT]... */
static int map_delegated(pid_t pid, const struct map *m)
{
	char words[2 + 3 * (RANGES_MAX + 1)][16];
	char *argv[3 + 3 * (RANGES_MAX + 1)];
	unsigned long inside = 1;
	int n = 0;

	argv[n] = (char *)m->tool;
	snprintf(words[++n], sizeof(*words), "%d", pid);
	snprintf(words[++n], sizeof(*words), "0");
	snprintf(words[++n], sizeof(*words), "%u", m->own);
	snprintf(words[++n], sizeof(*words), "1");
	for (int i = 0; i < m->n_ranges; i++) {
		snprintf(words[++n], sizeof(*words), "%lu", inside);
		snprintf(words[++n], sizeof(*words), "%lu", m->ranges[i].start);
		snprintf(words[++n], sizeof(*words), "%lu", m->ranges[i].count);
		inside += m->ranges[i].count;
	}
	for (int i = 1; i <= n; i++)
		argv[i] = words[i];
	argv[n + 1] = NULL;
	return run_tool(argv, -1);
}

static int map_own(pid_t pid, const struct map *m)
{
	char path[64], text[64];

	if (strcmp(m->file, "gid_map") == 0) {
		snprintf(path, sizeof(path), "/proc/%d/setgroups", pid);
		fd_write_file(path, "deny");
	}
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, m->file);
	snprintf(text, sizeof(text), "0 %u 1\n", m->own);
	return fd_write_file(path, text);
}

/*
 * Returns 1 when all delegated ids are mapped, 0 when only the own one is,
 * with the reason in @why.
 */
static int map_ids(pid_t pid, const struct map *m, struct error *why,
		   struct error *err)
{
	int r;

	if (m->n_ranges <= 0) {
		error_set(why, 0, "getsubids names no range of /etc/sub%.3s for this user",
			  m->file);
	} else {
		r = map_delegated(pid, m);
		if (r == 0)
			return 1;
		error_errno(why, r, "%s failed", m->tool);
	}
	r = map_own(pid, m);
	if (r < 0)
		return error_errno(err, r, "cannot write /proc/%d/%s", pid, m->file);
	return 0;
}

int userns_map(pid_t pid, struct error *err)
{
	struct map uids = { .tool = "newuidmap", .file = "uid_map", .own = getuid() };
	struct map gids = { .tool = "newgidmap", .file = "gid_map", .own = getgid() };
	struct passwd *pw = getpwuid(getuid());
	struct error why = { "" };
	int u, g;

	if (pw) {
		read_ranges(&uids, (char *[]){ "getsubids", pw->pw_name, NULL });
		read_ranges(&gids, (char *[]){ "getsubids", "-g", pw->pw_name, NULL });
	}
	u = map_ids(pid, &uids, &why, err);
	if (u < 0)
		return u;
	g = map_ids(pid, &gids, &why, err);
	if (g < 0)
		return g;
	if (!u || !g)
		log_warn("only your own id is mapped into the container: %s; install "
			 "uidmap and add ranges to /etc/subuid and /etc/subgid",
			 why.text);
	return 0;
}
