/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Started as `rootlessport`, by podman: its configuration is on stdin, what
 * went wrong is one line on stdout. There are no options; the datapath is
 * chosen by PORTSHUNT_DATAPATH, limits are set by PORTSHUNT_LIMIT and
 * PORTSHUNT_RULE_LIMIT.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/options.h"
#include "supervisor/rootlessport/rootlessport.h"

/* Returns the length, or -errno with @err set. */
static ssize_t read_config(char **ret, struct error *err)
{
	size_t room = 4096, len = 0;
	char *text = NULL, *more;
	ssize_t n;

	do {
		room *= 2;
		more = realloc(text, room);
		n = more ? fd_read_all(STDIN_FILENO, more + len, room - len) : -ENOMEM;
		text = more ? more : text;
		len += n > 0 ? (size_t)n : 0;
	} while (n >= 0 && len == room && room < ROOTLESSPORT_CONFIG_MAX);
	if (n >= 0 && len == room)
		n = -EFBIG;
	if (n < 0) {
		free(text);
		return error_errno(err, (int)n, "cannot read the configuration from stdin");
	}
	*ret = text;
	return (ssize_t)len;
}

static int run(struct error *err)
{
	_cleanup_(rootlessport_config_done) struct rootlessport_config config = { 0 };
	_cleanup_(config_done) struct config defaults;
	_cleanup_free_ char *text = NULL;
	ssize_t len;
	int r;

	config_init(&defaults);
	len = read_config(&text, err);
	if (len < 0)
		return (int)len;
	r = rootlessport_config_parse(text, (size_t)len, &config, err);
	if (r < 0)
		return r;
	r = options_read_environment(&defaults, err);
	return r < 0 ? r : rootlessport_main(&config, &defaults, err);
}

int cmd_rootlessport(int argc, char **argv)
{
	struct error err = { "" };

	if (argc > 1) {
		fprintf(stderr, "too many arguments, rootlessport expects a json config via "
				"STDIN\n");
		return 1;
	}
	/* podman does not wait for us, and its pipes end with it */
	signal(SIGPIPE, SIG_IGN);
	log_init(LOG_INFO, false);
	log_open();
	if (run(&err) >= 0)
		return 0;
	printf("%s\n", err.text);
	fflush(stdout);
	return 1;
}
