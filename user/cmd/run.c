/* SPDX-License-Identifier: Apache-2.0 */
/* portshunt run: a new network namespace, slirp4netns, COMMAND. */
#include "base/cleanup.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/options.h"
#include "supervisor/supervisor.h"

int cmd_run(int argc, char **argv)
{
	_cleanup_(config_done) struct config config;
	struct error err = { "" };
	int rest, r;

	config_init(&config);
	config.slirp4netns = true;
	r = options_parse(argc, argv, &config, &rest, &err);
	if (r > 0)
		return 0;
	log_init(config.log_level, config.log_json);
	if (r >= 0 && rest == argc)
		r = error_set(&err, -1, "no command to run: portshunt run [OPTIONS] "
			      "[-p SPEC]... COMMAND [ARG...]");
	if (r < 0) {
		log_error("%s", err.text);
		return EXIT_PORTSHUNT;
	}
	config.command = argv + rest;
	return supervisor_main(&config);
}
