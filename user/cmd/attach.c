/* SPDX-License-Identifier: Apache-2.0 */
/* portshunt attach: publish ports of a network namespace that exists. */
#include <errno.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/options.h"
#include "supervisor/supervisor.h"

static int check(const struct config *c, int argc, char **argv, int rest,
		 struct error *err)
{
	if (rest < argc)
		return error_set(err, -EINVAL,
				 "attach runs no command: what is \"%s\"?", argv[rest]);
	if (!c->netns_path == !c->pid)
		return error_set(err, -EINVAL, "say which network namespace: either "
				 "--netns PATH or --pid PID");
	if (c->take_over && c->slirp4netns)
		return error_set(err, -EINVAL, "--take-over and --network slirp4netns exclude each "
				 "other: nobody can take over a slirp4netns");
	return 0;
}

int cmd_attach(int argc, char **argv)
{
	_cleanup_(config_done) struct config config;
	struct error err = { "" };
	int rest, r;

	config_init(&config);
	r = options_parse(argc, argv, &config, &rest, &err);
	if (r > 0)
		return 0;
	log_init(config.log_level, config.log_json);
	if (r >= 0)
		r = check(&config, argc, argv, rest, &err);
	if (r < 0) {
		log_error("%s", err.text);
		return EXIT_PORTSHUNT;
	}
	return supervisor_main(&config);
}
