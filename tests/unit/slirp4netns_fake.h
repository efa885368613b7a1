/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory of its own for each test, and shell scripts in it that stand in
 * for slirp4netns where it is to fail in ways that the real one cannot be
 * brought to. What a test leaves in the directory fails its teardown.
 */
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "supervisor/slirp4netns/reap.h"

/* No step of these tests takes longer, on any machine. */
#define DEADLINE_MS 20000

static char fake_dir[64];
static char fake_path[96];

static inline int fake_setup(void **state)
{
	snprintf(fake_dir, sizeof(fake_dir), "/tmp/slirp4netns-test-XXXXXX");
	if (!mkdtemp(fake_dir))
		return -1;
	snprintf(fake_path, sizeof(fake_path), "%s/fake", fake_dir);
	return 0;
}

static inline int fake_teardown(void **state)
{
	unlink(fake_path);
	/* fails when something else is left */
	if (rmdir(fake_dir) == 0)
		return 0;
	print_error("%s is not empty\n", fake_dir);
	return -1;
}

/* Every flag that is looked for, as a text of --help. */
#define FAKE_HELP                                                              \
	"--disable-host-loopback --mtu --enable-sandbox --enable-seccomp "     \
	"--cidr --outbound-addr --enable-ipv6"

/* Any shell text; the fake is then fake_path. */
static inline void fake_write(const char *script)
{
	FILE *f = fopen(fake_path, "we");

	assert_non_null(f);
	assert_true(fprintf(f, "#!/bin/sh\n%s\n", script) > 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(fake_path, 0755), 0);
}

/* --help answered with @help; otherwise @script runs. */
static inline void fake_write_help(const char *help, const char *script)
{
	char text[4096];

	snprintf(text, sizeof(text),
		 "if [ \"$1\" = --help ]; then echo '%s'; exit 0; fi\n%s", help,
		 script);
	fake_write(text);
}
