/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/holder_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* Fails for processes of others, and without CAP_SYS_PTRACE for those with more capabilities. */
static bool has_socket(const char *pid, const char *socket, uint64_t end)
{
	_cleanup_(close_dir) DIR *dir = NULL;
	const struct dirent *entry;
	char path[64], link[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)) && holder_now() < end) {
		n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
		if (n < 0)
			continue;
		link[n] = '\0';
		if (strcmp(link, socket) == 0)
			return true;
	}
	return false;
}

static void describe(const char *pid, char *text, size_t size)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[64], name[32] = "";

	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	f = fopen(path, "re");
	if (f && fgets(name, sizeof(name), f))
		name[strcspn(name, "\n")] = '\0';
	snprintf(text, size, "%s (process %.20s)", *name ? name : "?", pid);
}

bool holder_process(uint32_t inode, uint64_t end, char *text, size_t size)
{
	_cleanup_(close_dir) DIR *dir = opendir("/proc");
	const struct dirent *entry;
	char socket[32];

	if (!inode)
		return false;
	snprintf(socket, sizeof(socket), "socket:[%u]", inode);
	while (dir && (entry = readdir(dir)) && holder_now() < end) {
		if (entry->d_name[strspn(entry->d_name, "0123456789")] ||
		    !has_socket(entry->d_name, socket, end))
			continue;
		describe(entry->d_name, text, size);
		return true;
	}
	return false;
}
