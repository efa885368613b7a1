/* SPDX-License-Identifier: Apache-2.0 */
#include "isolation/hide.h"

#include <sys/prctl.h>
#include <sys/resource.h>

void isolation_hide(void)
{
	const struct rlimit none = { 0, 0 };

	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	setrlimit(RLIMIT_CORE, &none);
}

void isolation_no_new_privs(void)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}
