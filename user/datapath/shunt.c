/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/shunt.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "datapath/shunt_flows.h"
#include "datapath/shunt_load.h"

struct shunt {
	struct shunt_objects bpf;
	struct shunt_flows flows;
	uint64_t next_id;
};

int shunt_open(struct shunt **ret, struct error *err)
{
	struct shunt *s = calloc(1, sizeof(*s));
	struct bpf_map_info flows = { 0 };
	uint32_t len = sizeof(flows);
	int r;

	if (!s)
		return error_errno(err, -ENOMEM, "cannot load the shunt");
	r = shunt_load(&s->bpf, err);
	if (r >= 0 && bpf_obj_get_info_by_fd(s->bpf.flows, &flows, &len) < 0)
		r = error_errno(err, -errno, "cannot load the shunt");
	if (r < 0) {
		shunt_close(s);
		return r;
	}
	shunt_flows_init(&s->flows, s->bpf.flows, flows.max_entries);
	*ret = s;
	return 0;
}

const int *shunt_bpf_commands(void)
{
	static const int commands[] = {
		BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM, BPF_PROG_TEST_RUN,
		BPF_ITER_CREATE, -1,
	};

	return commands;
}

const int *shunt_tools_bpf_commands(void)
{
	static const int commands[] = { BPF_PROG_TEST_RUN, BPF_ITER_CREATE, -1 };

	return commands;
}

void shunt_close(struct shunt *s)
{
	if (!s)
		return;
	shunt_flows_done(&s->flows);
	shunt_unload(&s->bpf);
	free(s);
}

struct shunt_tools shunt_tools(const struct shunt *s)
{
	return (struct shunt_tools){
		.capture_fd = s->bpf.capture,
		.walk_fd = s->bpf.walk,
		.rings_fd = s->bpf.rings,
	};
}

static int add_target(struct shunt *s, int fd, uint64_t *ret_key)
{
	uint64_t key = ++s->next_id, value = (uint64_t)fd;
	int never = -1;

	if (bpf_map_update_elem(s->bpf.targets, &key, &value,
				BPF_NOEXIST) < 0)
		return errno == E2BIG ? -ENOSPC : -errno;
	/* else net.ipv4.tcp_notsent_lowat makes it full long before its sndbuf is */
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &never, sizeof(never));
	*ret_key = key;
	return 0;
}

/* Without its mark the walk does not know the target, and leaves it as it is. */
static void mark_target(struct shunt *s, int fd, const struct shunt_side *side)
{
	struct shunt_target mark = { .id = side->id, .slot = side->slot };

	bpf_map_update_elem(s->bpf.target_of, &fd, &mark, BPF_ANY);
}

static void take_side(struct shunt *s, struct shunt_side *side, uint64_t target,
		      uint64_t relay)
{
	struct shunt_flow *flow;

	side->slot = shunt_flows_take(&s->flows);
	side->id = ++s->next_id;
	flow = shunt_flow(&s->flows, side->slot);
	*flow = (struct shunt_flow){
		.target = target,
		.relay = relay,
		.pending = 1,
	};
	__atomic_store_n(&flow->id, side->id, __ATOMIC_SEQ_CST);
}

int shunt_pair_open(struct shunt *s, struct shunt_pair *p, int client_fd,
		    int container_fd)
{
	int r = shunt_flows_reserve(&s->flows, 2);

	if (r >= 0)
		r = add_target(s, client_fd, &p->client_key);
	if (r >= 0)
		r = add_target(s, container_fd, &p->container_key);
	if (r < 0) {
		shunt_pair_close(s, p);
		return r;
	}
	take_side(s, &p->up, p->container_key, p->client_key);
	take_side(s, &p->down, p->client_key, p->container_key);
	mark_target(s, container_fd, &p->up);
	mark_target(s, client_fd, &p->down);
	return 0;
}

static struct shunt_flow *flow_of(const struct shunt *s, const struct shunt_side *side)
{
	return shunt_flow(&s->flows, side->slot);
}

static void drop_side(struct shunt *s, const struct shunt_side *side)
{
	if (!side->id)
		return;
	__atomic_store_n(&flow_of(s, side)->id, 0, __ATOMIC_SEQ_CST);
	bpf_map_delete_elem(s->bpf.senders, &side->id);
	shunt_flows_put(&s->flows, side->slot);
}

static void drop_target(struct shunt *s, uint64_t key)
{
	if (key)
		bpf_map_delete_elem(s->bpf.targets, &key);
}

void shunt_pair_close(struct shunt *s, struct shunt_pair *p)
{
	if (!s)
		return;
	drop_side(s, &p->up);
	drop_side(s, &p->down);
	drop_target(s, p->client_key);
	drop_target(s, p->container_key);
	*p = (struct shunt_pair){ 0 };
}

__u64 *shunt_pending(struct shunt *s, const struct shunt_side *side)
{
	return &flow_of(s, side)->pending;
}

uint64_t shunt_redirected(const struct shunt *s, const struct shunt_side *side)
{
	return __atomic_load_n(&flow_of(s, side)->redirected, __ATOMIC_RELAXED);
}

uint32_t shunt_begun(const struct shunt *s, const struct shunt_side *side)
{
	return __atomic_load_n(&flow_of(s, side)->begun, __ATOMIC_SEQ_CST);
}

bool shunt_wants_eviction(const struct shunt *s, const struct shunt_side *side)
{
	return __atomic_load_n(&flow_of(s, side)->evict, __ATOMIC_RELAXED);
}

bool shunt_writes_long(const struct shunt *s, const struct shunt_side *side)
{
	return __atomic_load_n(&flow_of(s, side)->long_writes, __ATOMIC_RELAXED);
}

bool shunt_is_corked(const struct shunt *s, const struct shunt_side *side)
{
	return __atomic_load_n(&flow_of(s, side)->corked, __ATOMIC_RELAXED);
}

uint32_t shunt_messages(const struct shunt *s, const struct shunt_side *side)
{
	return __atomic_load_n(&flow_of(s, side)->messages, __ATOMIC_RELAXED);
}

void shunt_only_drained(struct shunt *s, const struct shunt_side *side)
{
	flow_of(s, side)->only_drained = true;
}

bool shunt_is_captured(const struct shunt *s, const struct shunt_side *side)
{
	return __atomic_load_n(&flow_of(s, side)->captured, __ATOMIC_RELAXED) ==
	       (uint32_t)side->id;
}

void shunt_evict(struct shunt *s, const struct shunt_side *side)
{
	struct shunt_flow *flow = flow_of(s, side);

	flow->captured = 0;
	flow->evict = 0;
	bpf_map_delete_elem(s->bpf.senders, &side->id);
}

static int run(int program, const struct __sk_buff *context)
{
	char packet[64] = { 0 }; /* the least that a program of this type is run on */
	LIBBPF_OPTS(bpf_test_run_opts, options,
		    .data_in = packet, .data_size_in = sizeof(packet),
		    .ctx_in = context, .ctx_size_in = sizeof(*context));

	return bpf_prog_test_run_opts(program, &options) < 0 ? -errno : (int)options.retval;
}

int shunt_capture(const struct shunt_tools *tools, const struct shunt_side *side, uint64_t users)
{
	const struct __sk_buff context = {
		.mark = side->slot,
		.cb = { (uint32_t)side->id, (uint32_t)(side->id >> 32), (uint32_t)users,
			(uint32_t)(users >> 32) },
	};

	return run(tools->capture_fd, &context);
}

bool shunt_has_left(const struct shunt *s, const struct shunt_side *side)
{
	const struct __sk_buff context = { .mark = side->slot };

	return run(s->bpf.has_left, &context) != 0;
}

int shunt_admit(struct shunt *s, shunt_admitted *admitted, void *context)
{
	struct shunt_admission list[64];
	_cleanup_close_ int fd = bpf_iter_create(s->bpf.admit);
	ssize_t n;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, list, sizeof(list))) > 0 || (n < 0 && errno == EAGAIN))
		for (size_t i = 0; n > 0 && i < (size_t)n / sizeof(*list); i++)
			admitted(context, list[i].id, (int)list[i].result);
	return n < 0 ? -errno : 0;
}

const char *shunt_capture_way(const struct shunt *s)
{
	static const char *const ways[2][2] = {
		{ "by a tc program", "by a tc program; who sends over io_uring is not recognised" },
		{ "by an iterator, since a tc program may not",
		  "by an iterator, since a tc program may not; who sends over io_uring is not recognised" },
	};

	return ways[s->bpf.admit >= 0][s->bpf.rings < 0];
}

static void on_admitted(void *context, uint64_t id, int result)
{
	*(int *)context = result;
}

int shunt_capture_here(struct shunt *s, const struct shunt_side *side)
{
	struct shunt_tools tools = shunt_tools(s);
	int result = shunt_capture(&tools, side, 0), r;

	if (result != SHUNT_FOUND)
		return result;
	r = shunt_admit(s, on_admitted, &result);
	return r < 0 ? r : result;
}

void shunt_watch(struct shunt *s, const struct shunt_side *side, bool on)
{
	__atomic_store_n(&flow_of(s, side)->watched, on, __ATOMIC_SEQ_CST);
}

bool shunt_ask(struct shunt *s, const struct shunt_side *side, enum shunt_ask what)
{
	return !(__atomic_fetch_or(&flow_of(s, side)->ask, what, __ATOMIC_SEQ_CST) & what);
}

bool shunt_is_asked(const struct shunt *s, const struct shunt_side *side,
		    enum shunt_ask what)
{
	return __atomic_load_n(&flow_of(s, side)->ask, __ATOMIC_RELAXED) & what;
}

/* CPU time, so that a reader that has to wait is not taken for an expensive one. */
static long cpu_time_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000000L + now.tv_nsec / 1000;
}

int shunt_walk(const struct shunt_tools *tools)
{
	_cleanup_close_ int fd = bpf_iter_create(tools->walk_fd);
	long began = cpu_time_us();
	char unused[64];
	ssize_t n;

	if (fd < 0)
		return -errno;
	/* the program prints nothing: one read runs it over every socket */
	do {
		n = read(fd, unused, sizeof(unused));
	} while (n > 0 || (n < 0 && errno == EAGAIN));
	return n < 0 ? -errno : (int)((cpu_time_us() - began) / 1000 + 1);
}

int shunt_rings(const struct shunt_tools *tools, uint64_t *ret_users)
{
	_cleanup_close_ int fd = bpf_iter_create(tools->rings_fd);
	long began = cpu_time_us();
	uint64_t list[64];
	ssize_t n;

	if (fd < 0)
		return -errno;
	*ret_users = 0;
	while ((n = read(fd, list, sizeof(list))) > 0 || (n < 0 && errno == EAGAIN))
		for (size_t i = 0; n > 0 && i < (size_t)n / sizeof(*list); i++)
			*ret_users |= list[i];
	return n < 0 ? -errno : (int)(cpu_time_us() - began);
}
