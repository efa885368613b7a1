/* SPDX-License-Identifier: Apache-2.0 */
/* In the place of shunt.c in a program that was built with BPF=0. */
#include <errno.h>
#include <stddef.h>

#include "datapath/shunt.h"

int shunt_open(struct shunt **ret, struct error *err)
{
	return error_set(err, -EOPNOTSUPP,
			 "datapath shunt: this program was built without BPF (make BPF=0): "
			 "use --datapath=splice or auto");
}

const int *shunt_bpf_commands(void)
{
	static const int none = -1;

	return &none;
}

const int *shunt_tools_bpf_commands(void)
{
	return shunt_bpf_commands();
}

void shunt_close(struct shunt *s)
{
}

struct shunt_tools shunt_tools(const struct shunt *s)
{
	return (struct shunt_tools){ -1, -1, -1 };
}

int shunt_pair_open(struct shunt *s, struct shunt_pair *p, int client_fd,
		    int container_fd)
{
	return -EOPNOTSUPP;
}

void shunt_pair_close(struct shunt *s, struct shunt_pair *p)
{
}

__u64 *shunt_pending(struct shunt *s, const struct shunt_side *side)
{
	return NULL;
}

uint64_t shunt_redirected(const struct shunt *s, const struct shunt_side *side)
{
	return 0;
}

bool shunt_has_left(const struct shunt *s, const struct shunt_side *side)
{
	return true;
}

uint32_t shunt_begun(const struct shunt *s, const struct shunt_side *side)
{
	return 0;
}

bool shunt_wants_eviction(const struct shunt *s, const struct shunt_side *side)
{
	return false;
}

bool shunt_writes_long(const struct shunt *s, const struct shunt_side *side)
{
	return false;
}

bool shunt_is_corked(const struct shunt *s, const struct shunt_side *side)
{
	return false;
}

uint32_t shunt_messages(const struct shunt *s, const struct shunt_side *side)
{
	return 0;
}

void shunt_only_drained(struct shunt *s, const struct shunt_side *side)
{
}

bool shunt_is_captured(const struct shunt *s, const struct shunt_side *side)
{
	return false;
}

void shunt_evict(struct shunt *s, const struct shunt_side *side)
{
}

int shunt_capture(const struct shunt_tools *tools, const struct shunt_side *side, uint64_t users)
{
	return -EOPNOTSUPP;
}

int shunt_admit(struct shunt *s, shunt_admitted *admitted, void *context)
{
	return -EOPNOTSUPP;
}

const char *shunt_capture_way(const struct shunt *s)
{
	return "";
}

int shunt_capture_here(struct shunt *s, const struct shunt_side *side)
{
	return -EOPNOTSUPP;
}

void shunt_watch(struct shunt *s, const struct shunt_side *side, bool on)
{
}

bool shunt_ask(struct shunt *s, const struct shunt_side *side, enum shunt_ask what)
{
	return false;
}

bool shunt_is_asked(const struct shunt *s, const struct shunt_side *side,
		    enum shunt_ask what)
{
	return false;
}

int shunt_walk(const struct shunt_tools *tools)
{
	return -EOPNOTSUPP;
}

int shunt_rings(const struct shunt_tools *tools, uint64_t *ret_users)
{
	return -EOPNOTSUPP;
}
