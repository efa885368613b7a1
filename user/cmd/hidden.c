/* SPDX-License-Identifier: Apache-2.0 */
/* The processes that the supervisor starts: NAME FD FD [-- COMMAND...]. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cmd/cmd.h"
#include "forwarder/forwarder.h"
#include "supervisor/netns_child.h"

static int not_for_users(const char *name)
{
	log_error("%s is started by run and attach only", name);
	return 125;
}

int cmd_forwarder(int argc, char **argv)
{
	if (argc != 3)
		return not_for_users(argv[0]);
	return forwarder_main(atoi(argv[1]), atoi(argv[2]));
}

int cmd_netns(int argc, char **argv)
{
	char **command = NULL;

	if (argc > 4 && strcmp(argv[0], "@init") == 0)
		command = argv + 4;
	else if (argc != 3 || strcmp(argv[0], "@netns") != 0)
		return not_for_users(argv[0]);
	return netns_child_main(atoi(argv[1]), atoi(argv[2]), command);
}
