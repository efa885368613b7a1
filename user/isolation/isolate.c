/* SPDX-License-Identifier: Apache-2.0 */
#include "isolation/isolate.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/log.h"
#include "isolation/identity.h"
#include "isolation/root.h"

#ifdef __SANITIZE_ADDRESS__
#define NEEDS_PROC true /* a sanitizer's reports do */
#else
#define NEEDS_PROC false
#endif

/* Before the files are gone: the first gmtime(3), of a log line, opens that of the time zone. */
static enum isolation_root empty_root(void)
{
	tzset();
	return NEEDS_PROC ? ROOT_HOST : isolation_empty_root();
}

int isolation_enter(const struct isolation *isolation)
{
	static bool was_here; /* this process, or the one that it is a fork of */
	enum isolation_root root = was_here ? ROOT_EMPTY : empty_root();
	int r;

	r = identity_drop(isolation->capabilities);
	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (root == ROOT_HOST && !NEEDS_PROC)
		root = isolation_landlock();
	if (root == ROOT_HOST && !NEEDS_PROC)
		log_debug("%s: the kernel neither lets its root directory be empty nor has Landlock",
			  isolation->name);
	was_here = true;
	return filter_enter(isolation->process, isolation->name, isolation->bpf_commands);
}
