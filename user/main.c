/* SPDX-License-Identifier: Apache-2.0 */
/* The command table, and the other names of the program. */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/fd.h"
#include "base/log.h"
#include "cmd/cmd.h"

static const struct {
	const char *name;
	int (*fn)(int argc, char **argv);
	const char *help; /* NULL: hidden */
} commands[] = {
	{ "run", cmd_run, "run a command in a new network and publish its ports" },
	{ "attach", cmd_attach, "publish ports of a network namespace that exists" },
	{ "add", cmd_control, "publish more ports of a running portshunt" },
	{ "remove", cmd_control, "publish some of its ports no longer" },
	{ "list", cmd_control, "list what it publishes" },
	{ "stats", cmd_control, "tell what it has done" },
	{ "reload", cmd_control, "tell it the container's new address" },
	{ "doctor", cmd_doctor, "tell what this kernel and these privileges allow" },
	{ "@forwarder", cmd_forwarder, NULL },
	{ "@netns", cmd_netns, NULL },
	{ "@init", cmd_netns, NULL },
};

#define COMMANDS \
	"run, attach, add, remove, list, stats, reload or doctor; portshunt --help says what they do"

/* Names that it is started under by others, each a program of theirs that it stands for. */
static const struct {
	const char *name;
	int (*fn)(int argc, char **argv);
} drop_ins[] = {
	{ "docker-proxy", cmd_docker_proxy },
	{ "rootlessport", cmd_rootlessport },
};

static int help(void)
{
	printf("Usage: portshunt COMMAND [OPTIONS]...\n"
	       "Publish a container's ports on the host.\n\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (commands[i].help)
			printf("  %-8s %s\n", commands[i].name, commands[i].help);
	printf("\n`portshunt COMMAND --help` lists a command's options, "
	       "portshunt(1) explains it.\n");
	return 0;
}

int main(int argc, char **argv)
{
	const char *name = argc ? strrchr(argv[0], '/') : NULL;

	name = name ? name + 1 : argc ? argv[0] : "";
	fd_fill_standard();
	/* a child was executed as /proc/self/exe */
	prctl(PR_SET_NAME, "portshunt");
	for (size_t i = 0; i < sizeof(drop_ins) / sizeof(*drop_ins); i++) {
		if (strcmp(name, drop_ins[i].name) != 0)
			continue;
		/* the name by which people look for it: ps -C, pgrep, ss -ltnp */
		prctl(PR_SET_NAME, drop_ins[i].name);
		if (argc < 2 || *argv[1] != '@')
			return drop_ins[i].fn(argc, argv);
	}
	if (argc < 2) {
		log_error("no command given: use " COMMANDS);
		return 125;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].fn(argc - 1, argv + 1);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0)
		return help();
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
		printf("portshunt " VERSION "\n");
		return 0;
	}
	log_error("unknown command \"%s\": use " COMMANDS, argv[1]);
	return 125;
}
