/* SPDX-License-Identifier: Apache-2.0 */
/* In the place of sockmap.c in a program that was built with BPF=0. */
#include <errno.h>
#include <stddef.h>

#include "datapath/sockmap.h"

bool sockmap_kernel_is_sound(const char *release, const char *version)
{
	return false;
}

int sockmap_open(struct sockmap **ret, struct error *err)
{
	return error_set(err, -EOPNOTSUPP,
			 "datapath sockmap: this program was built without BPF (make BPF=0): "
			 "use --datapath=splice or auto");
}

void sockmap_close(struct sockmap *s)
{
}

const int *sockmap_bpf_commands(void)
{
	static const int none = -1;

	return &none;
}

int sockmap_pair_open(struct sockmap *s, struct sockmap_pair *p, int client_fd,
		      int container_fd)
{
	return -EOPNOTSUPP;
}

void sockmap_pair_close(struct sockmap *s, struct sockmap_pair *p)
{
}

struct sockmap_flow *sockmap_flow(struct sockmap *s, uint32_t index)
{
	return NULL;
}

uint32_t sockmap_backlog(struct sockmap *s, uint32_t index)
{
	return 0;
}

int sockmap_spills_fd(const struct sockmap *s)
{
	return -1;
}

void sockmap_spills(struct sockmap *s, sockmap_spill_fn *fn, void *context)
{
}
