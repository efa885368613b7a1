/* SPDX-License-Identifier: Apache-2.0 */
#include "isolation/isolate.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/error.h"
#include "base/log.h"
#include "isolation/identity.h"
#include "isolation/landlock.h"
#include "isolation/root.h"

#ifdef __SANITIZE_ADDRESS__
#define NEEDS_PROC true /* a sanitizer's reports do */
#else
#define NEEDS_PROC false
#endif

/* Before the files are gone: the first gmtime(3), of a log line, opens that of the time zone. */
static bool empty_root(void)
{
	tzset();
	return isolation_empty_root();
}

static void confine(const struct isolation *isolation, bool has_root)
{
	int r = isolation_landlock();

	if (r < 0 && has_root)
		log_debug("%s: it could open files: the kernel neither lets its root directory be "
			  "empty nor has Landlock: %s", isolation->name, errno_text(r));
}

int isolation_enter(const struct isolation *isolation)
{
	static bool was_here; /* this process, or the one that it is a fork of */
	bool has_root = NEEDS_PROC || (!was_here && !empty_root());
	int r;

	r = identity_drop(isolation->capabilities);
	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (!was_here && !NEEDS_PROC)
		confine(isolation, has_root);
	was_here = true;
	return filter_enter(isolation->process, isolation->name, isolation->bpf_commands);
}
