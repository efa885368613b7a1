/* SPDX-License-Identifier: Apache-2.0 */
/* peer: the one client and server of all end-to-end tests and benchmarks. */
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "options.h"
#include "presets.h"
#include "sock.h"
#include "util.h"

int main(int argc, char **argv)
{
	struct options o;
	int status;

	options_parse(argc, argv, &o);
	fd_raise_nofile();
	if (o.netns)
		netns_enter(o.netns);
	watchdog_start(o.deadline);
	status = presets_run(&o);
	fflush(stdout);
	_exit(status); /* threads that still wait are not waited for */
}
