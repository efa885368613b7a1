/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/sockmap.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "datapath/verifier.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpointer-arith" /* bpftool's */
#include "bpf/sockmap.lskel.h"
#pragma GCC diagnostic pop

/* As in shunt.c. */
#define LOAD_TRIES 5

struct sockmap {
	struct sockmap_bpf *bpf;
	struct ring_buffer *spills;
	sockmap_spill_fn *spill_fn;
	void *spill_context;
	struct sockmap_flow *flows; /* the map's memory */
	size_t flows_size;
	uint32_t *free_slots;
	uint32_t n_free;
};

/*
 * Before "bpf, sockmap: Fix data lost during EAGAIN retries" and its sisters
 * (6.16, and the stable releases below) a slow reader loses bytes, gets them
 * twice, or the kernel panics (CVE-2025-38165). It needs a full queue and the
 * right moment, so no trial at start can tell; this is the one place that
 * asks for a version.
 */
bool sockmap_kernel_is_sound(const char *release, const char *version)
{
	const char *debian = strstr(version, " Debian ");
	unsigned int major, minor, patch = 0;

	/* Debian's releases end in .0-N; the source's number is in the version */
	if (debian)
		release = debian + strlen(" Debian ");
	if (sscanf(release, "%u.%u.%u", &major, &minor, &patch) < 2)
		return false;
	if (major != 6)
		return major > 6;
	switch (minor) {
	case 1:
		return patch >= 142;
	case 6:
		return patch >= 94;
	case 12:
		return patch >= 34;
	default:
		return minor >= 16;
	}
}

static int on_spill(void *context, void *data, size_t size)
{
	struct sockmap *s = context;

	s->spill_fn(s->spill_context, *(uint32_t *)data);
	return 0;
}

static int map_flows(struct sockmap *s)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *memory;

	s->flows_size = (2 * SOCKMAP_SLOTS * sizeof(struct sockmap_flow) + page - 1) & ~(page - 1);
	memory = mmap(NULL, s->flows_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		      s->bpf->maps.flows.map_fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	s->flows = memory;
	s->free_slots = malloc(SOCKMAP_SLOTS * sizeof(*s->free_slots));
	if (!s->free_slots)
		return -ENOMEM;
	for (uint32_t i = 0; i < SOCKMAP_SLOTS; i++)
		s->free_slots[s->n_free++] = SOCKMAP_SLOTS - 1 - i;
	return 0;
}

/* @log: VERIFIER_LOG_SIZE zeroed bytes for what the verifier says; NULL: not asked for. */
static int open_and_load(struct sockmap *s, char *log)
{
	int r = -EAGAIN;

	for (int i = 0; i < LOAD_TRIES && r == -EAGAIN; i++) {
		s->bpf = sockmap_bpf__open();
		if (s->bpf && log) {
			s->bpf->ctx.log_level = 1;
			s->bpf->ctx.log_size = VERIFIER_LOG_SIZE;
			s->bpf->ctx.log_buf = (uintptr_t)log;
		}
		r = s->bpf ? sockmap_bpf__load(s->bpf) : -ENOMEM;
		if (r >= 0)
			break;
		sockmap_bpf__destroy(s->bpf);
		s->bpf = NULL;
	}
	return r;
}

/* A log costs time and memory: it is asked for once the programs are refused. */
static int load_or_say_why(struct sockmap *s, struct error *err)
{
	_cleanup_free_ char *log = NULL;
	int r = open_and_load(s, NULL);

	if (r >= 0)
		return r;
	log = calloc(1, VERIFIER_LOG_SIZE);
	r = open_and_load(s, log);
	if (r >= 0)
		return r;
	if (log)
		verifier_log_debug(log);
	verifier_error(err, r, log);
	return r;
}

static int attach(struct sockmap *s)
{
	/* libbpf 1.1 has no link for a sockmap; the program goes with the map */
	if (bpf_prog_attach(s->bpf->progs.sockmap_verdict.prog_fd,
			    s->bpf->maps.sockets.map_fd,
			    BPF_SK_SKB_STREAM_VERDICT, 0) < 0)
		return -errno;
	s->spills = ring_buffer__new(s->bpf->maps.spills.map_fd, on_spill, s, NULL);
	return s->spills ? map_flows(s) : -errno;
}

int sockmap_open(struct sockmap **ret, struct error *err)
{
	struct sockmap *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return error_errno(err, -ENOMEM, "its programs cannot be loaded");
	r = load_or_say_why(s, err);
	if (r >= 0) {
		r = attach(s);
		if (r < 0)
			error_errno(err, r, "its programs cannot be attached");
	}
	if (r < 0) {
		sockmap_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

void sockmap_close(struct sockmap *s)
{
	if (!s)
		return;
	if (s->flows)
		munmap(s->flows, s->flows_size);
	free(s->free_slots);
	ring_buffer__free(s->spills);
	sockmap_bpf__destroy(s->bpf);
	free(s);
}

const int *sockmap_bpf_commands(void)
{
	static const int commands[] = {
		BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM, BPF_PROG_TEST_RUN, -1,
	};

	return commands;
}

static int set_index(struct sockmap *s, int fd, uint32_t index, uint64_t *ret_cookie)
{
	uint64_t cookie;
	socklen_t len = sizeof(cookie);

	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) < 0 ||
	    bpf_map_update_elem(s->bpf->maps.indexes.map_fd, &cookie, &index,
				BPF_NOEXIST) < 0)
		return -errno;
	*ret_cookie = cookie;
	return 0;
}

static int add_socket(struct sockmap *s, int fd, uint32_t index)
{
	uint64_t value = (uint64_t)fd;

	return bpf_map_update_elem(s->bpf->maps.sockets.map_fd, &index, &value,
				   BPF_ANY) < 0 ? -errno : 0;
}

/* What was queued before the verdict was there is shown to it by this. */
static void kick(int fd)
{
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
}

/* Returns what the program returned; 0 when it could not be run. */
static uint32_t run(int program_fd, uint32_t mark)
{
	char packet[64] = { 0 }; /* the least that a program of this type is run on */
	struct __sk_buff context = { .mark = mark };
	LIBBPF_OPTS(bpf_test_run_opts, options,
		    .data_in = packet, .data_size_in = sizeof(packet),
		    .ctx_in = &context, .ctx_size_in = sizeof(context));

	if (bpf_prog_test_run_opts(program_fd, &options) < 0)
		return 0;
	return options.retval;
}

int sockmap_pair_open(struct sockmap *s, struct sockmap_pair *p, int client_fd,
		      int container_fd)
{
	int r;

	if (!s->n_free)
		return -ENOSPC;
	*p = (struct sockmap_pair){ .is_open = true, .slot = s->free_slots[--s->n_free] };
	memset(&s->flows[SOCKMAP_UP(p)], 0, 2 * sizeof(*s->flows));
	r = set_index(s, client_fd, SOCKMAP_UP(p), &p->client_cookie);
	if (r >= 0)
		r = set_index(s, container_fd, SOCKMAP_DOWN(p), &p->container_cookie);
	if (r >= 0)
		r = add_socket(s, client_fd, SOCKMAP_UP(p));
	if (r < 0) {
		sockmap_pair_close(s, p);
		return r;
	}
	/*
	 * Once A is in, it stays: taken out again it might lose what came in.
	 * Without B the verdict passes all, which is slower and as right.
	 */
	p->has_container = add_socket(s, container_fd, SOCKMAP_DOWN(p)) >= 0;
	run(s->bpf->progs.sockmap_begin.prog_fd, p->slot);
	kick(client_fd);
	kick(container_fd);
	return 0;
}

void sockmap_pair_close(struct sockmap *s, struct sockmap_pair *p)
{
	int indexes;

	if (!s || !p->is_open)
		return;
	indexes = s->bpf->maps.indexes.map_fd;
	if (p->client_cookie)
		bpf_map_delete_elem(indexes, &p->client_cookie);
	if (p->container_cookie)
		bpf_map_delete_elem(indexes, &p->container_cookie);
	s->free_slots[s->n_free++] = p->slot;
	*p = (struct sockmap_pair){ 0 };
}

struct sockmap_flow *sockmap_flow(struct sockmap *s, uint32_t index)
{
	return &s->flows[index];
}

uint32_t sockmap_backlog(struct sockmap *s, uint32_t index)
{
	return run(s->bpf->progs.sockmap_backlog.prog_fd, index);
}

int sockmap_spills_fd(const struct sockmap *s)
{
	return ring_buffer__epoll_fd(s->spills);
}

void sockmap_spills(struct sockmap *s, sockmap_spill_fn *fn, void *context)
{
	s->spill_fn = fn;
	s->spill_context = context;
	ring_buffer__consume(s->spills);
}
