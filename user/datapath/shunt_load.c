/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/shunt_load.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "datapath/verifier.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpointer-arith" /* bpftool's */
#include "bpf/shunt.lskel.h"
#include "bpf/shunt_iter.lskel.h"
#include "bpf/shunt_rings.lskel.h"
#pragma GCC diagnostic pop

/* A verifier that a signal disturbs, a freezer's too, says EAGAIN: as often as libbpf tries. */
#define LOAD_TRIES 5

/* @log: VERIFIER_LOG_SIZE zeroed bytes for what the verifier says; NULL: not asked for. */
static int run_loader(struct bpf_loader_ctx *ctx, int (*load)(void *skeleton), void *skeleton,
		      char *log)
{
	if (log) {
		ctx->log_level = 1;
		ctx->log_size = VERIFIER_LOG_SIZE;
		ctx->log_buf = (uintptr_t)log;
	}
	return load(skeleton);
}

/* The functions and fields of a build's skeleton under names that both builds share. */
#define BUILD(name)                                                                         \
	static int load_##name(void *skeleton)                                              \
	{                                                                                   \
		return name##_bpf__load(skeleton);                                          \
	}                                                                                   \
	static void destroy_##name(void *skeleton)                                          \
	{                                                                                   \
		name##_bpf__destroy(skeleton);                                              \
	}                                                                                   \
	static int build_##name(struct shunt_objects *ret, int *ret_verdict, char *log)      \
	{                                                                                   \
		struct name##_bpf *b = name##_bpf__open();                                  \
		int r = b ? run_loader(&b->ctx, load_##name, b, log) : -ENOMEM;             \
		*ret = (struct shunt_objects){ .skeleton = b, .destroy = destroy_##name,    \
					       .walk = -1, .admit = -1, .rings = -1 };      \
		if (r >= 0 && name##_bpf__shunt_walk__attach(b) < 0)                        \
			r = -errno;                                                         \
		if (r < 0)                                                                  \
			return r;                                                           \
		ret->targets = b->maps.targets.map_fd;                                      \
		ret->senders = b->maps.senders.map_fd;                                      \
		ret->flows = b->maps.flows.map_fd;                                          \
		ret->target_of = b->maps.target_of.map_fd;                                  \
		ret->capture = b->progs.shunt_capture.prog_fd;                              \
		ret->has_left = b->progs.shunt_has_left.prog_fd;                            \
		ret->walk = b->links.shunt_walk_fd;                                         \
		*ret_verdict = b->progs.shunt_verdict.prog_fd;                              \
		return 0;                                                                   \
	}

BUILD(shunt)
BUILD(shunt_iter)

/* An iterator over the sockets that wait in the map `arriving`. */
static int attach_admit(struct shunt_objects *o)
{
	struct shunt_iter_bpf *b = o->skeleton;
	union bpf_iter_link_info over = { .map.map_fd = (__u32)b->maps.arriving.map_fd };
	LIBBPF_OPTS(bpf_link_create_opts, options, .iter_info = &over,
		    .iter_info_len = sizeof(over));

	o->admit = bpf_link_create(b->progs.shunt_admit.prog_fd, 0, BPF_TRACE_ITER, &options);
	return o->admit < 0 ? -errno : 0;
}

static int try_build(struct shunt_objects *ret, bool by_iterator, char *log)
{
	int verdict = -1, r = -EAGAIN;

	for (int i = 0; i < LOAD_TRIES && r == -EAGAIN; i++) {
		r = by_iterator ? build_shunt_iter(ret, &verdict, log) :
				  build_shunt(ret, &verdict, log);
		if (r < 0)
			shunt_unload(ret);
	}
	/* libbpf 1.1 has no link for a sockmap; the program goes with the map */
	if (r >= 0 && bpf_prog_attach(verdict, ret->senders, BPF_SK_MSG_VERDICT, 0) < 0)
		r = -errno;
	if (r >= 0 && by_iterator)
		r = attach_admit(ret);
	if (r < 0)
		shunt_unload(ret);
	return r;
}

/*
 * Without it, senders are captured although io_uring's zero copy fails for
 * them then: few use that, and the rest of the shunt is as good.
 */
static void load_rings(struct shunt_objects *ret)
{
	struct shunt_rings_bpf *b = NULL;
	int r = -EAGAIN;

	for (int i = 0; i < LOAD_TRIES && r == -EAGAIN; i++) {
		b = shunt_rings_bpf__open();
		r = b ? shunt_rings_bpf__load(b) : -ENOMEM;
		if (r >= 0 && shunt_rings_bpf__shunt_rings__attach(b) < 0)
			r = -errno;
		if (r < 0 && b)
			shunt_rings_bpf__destroy(b);
	}
	if (r < 0) {
		log_debug("who sends over io_uring is not recognised: %s: its zero copy fails "
			  "for senders that are on the shunt", errno_text(r));
		return;
	}
	ret->rings_skeleton = b;
	ret->rings = b->links.shunt_rings_fd;
}

static int load_programs(struct shunt_objects *ret, struct error *err)
{
	_cleanup_free_ char *log = NULL;
	bool by_iterator = false;
	int r = try_build(ret, by_iterator, NULL);

	if (r == -EINVAL || r == -EACCES) {
		log_debug("a tc program may not capture here (%s): an iterator does", errno_text(r));
		by_iterator = true;
		r = try_build(ret, by_iterator, NULL);
	}
	if (r >= 0)
		return r;
	/* a log costs time and memory: it is asked for once the programs are refused */
	log = calloc(1, VERIFIER_LOG_SIZE);
	r = try_build(ret, by_iterator, log);
	if (r >= 0)
		return r;
	if (log)
		verifier_log_debug(log);
	return verifier_error(err, r, log);
}

int shunt_load(struct shunt_objects *ret, struct error *err)
{
	int r = load_programs(ret, err);

	if (r >= 0)
		load_rings(ret);
	return r;
}

void shunt_unload(struct shunt_objects *o)
{
	if (!o->skeleton)
		return;
	if (o->admit >= 0)
		fd_close(o->admit);
	o->destroy(o->skeleton);
	if (o->rings_skeleton)
		shunt_rings_bpf__destroy(o->rings_skeleton);
	*o = (struct shunt_objects){ .walk = -1, .admit = -1, .rings = -1 };
}
