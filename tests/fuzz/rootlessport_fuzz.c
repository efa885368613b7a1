/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as what podman writes to rootlessport: what is accepted has no missing part, what
 * is refused is explained in one line.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "supervisor/rootlessport/config.h"
#include "supervisor/rootlessport/ports.h"

static void check_good(const struct rootlessport_config *c)
{
	struct addr v4, v6;
	struct error err = { "" };

	CHECK(*c->netns_path && c->tmpdir && c->child_ip && c->container_id);
	CHECK(c->exit_fd > 2 && c->ready_fd > 2 && c->exit_fd != c->ready_fd);
	if (c->reloadable)
		CHECK(*c->container_id && *c->container_id != '.' && !strchr(c->container_id, '/'));
	for (size_t i = 0; i < c->n_mappings; i++)
		CHECK(c->mappings[i].host_ip && c->mappings[i].protocol);
	if (rootlessport_child_ip(c->child_ip, &v4, &v6, &err) < 0)
		CHECK(strncmp(err.text, "invalid ChildIP: ", 17) == 0);
	else
		CHECK((v4.family == AF_INET) + (v6.family == AF_INET6) == 1);
}

/* The two descriptors that the corpus names: they must be open. */
static void open_fds(void)
{
	static bool done;

	if (!done)
		CHECK(dup2(STDERR_FILENO, 100) == 100 && dup2(STDERR_FILENO, 101) == 101);
	done = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rootlessport_config c;
	struct error err = { "" };

	open_fds();
	if (rootlessport_config_parse((const char *)data, size, &c, &err) == 0)
		check_good(&c);
	else
		CHECK(*err.text && !strchr(err.text, '\n'));
	rootlessport_config_done(&c);
	return 0;
}
