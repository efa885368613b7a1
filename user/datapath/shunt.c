/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/shunt.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "bpf/shunt.skel.h"
#include "datapath/shunt_flows.h"

struct shunt {
	struct shunt_bpf *bpf;
	struct shunt_flows flows;
	uint64_t next_id;
};

/* libbpf's own words are for whoever debugs. */
static int on_libbpf_log(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char text[1024];

	if (level > LIBBPF_INFO || log_level_get() < LOG_DEBUG)
		return 0;
	vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\n")] = '\0';
	log_debug("%s", text);
	return 0;
}

int shunt_open(struct shunt **ret, struct error *err)
{
	struct shunt *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return error_errno(err, -ENOMEM, "cannot load the shunt");
	libbpf_set_print(on_libbpf_log);
	s->bpf = shunt_bpf__open_and_load();
	r = s->bpf ? 0 : -errno;
	/* libbpf 1.1 has no link for a sockmap; the program goes with the map */
	if (r >= 0 && bpf_prog_attach(bpf_program__fd(s->bpf->progs.shunt_verdict),
				      bpf_map__fd(s->bpf->maps.senders),
				      BPF_SK_MSG_VERDICT, 0) < 0)
		r = -errno;
	if (r >= 0) {
		s->bpf->links.shunt_walk =
			bpf_program__attach_iter(s->bpf->progs.shunt_walk, NULL);
		r = s->bpf->links.shunt_walk ? 0 : -errno;
	}
	if (r < 0) {
		shunt_close(s);
		return error_errno(err, r, "cannot load the shunt's BPF programs "
				   "(CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON are needed)");
	}
	shunt_flows_init(&s->flows, bpf_map__fd(s->bpf->maps.flows),
			 bpf_map__max_entries(s->bpf->maps.flows));
	malloc_trim(0); /* of the kernel's types, some megabytes, nothing is needed any more */
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

void shunt_close(struct shunt *s)
{
	if (!s)
		return;
	shunt_flows_done(&s->flows);
	shunt_bpf__destroy(s->bpf);
	free(s);
}

struct shunt_tools shunt_tools(const struct shunt *s)
{
	return (struct shunt_tools){
		.capture_fd = bpf_program__fd(s->bpf->progs.shunt_capture),
		.walk_fd = bpf_link__fd(s->bpf->links.shunt_walk),
	};
}

static int add_target(struct shunt *s, int fd, uint64_t *ret_key)
{
	uint64_t key = ++s->next_id, value = (uint64_t)fd;
	int never = -1;

	if (bpf_map_update_elem(bpf_map__fd(s->bpf->maps.targets), &key, &value,
				BPF_NOEXIST) < 0)
		return -errno;
	/* else net.ipv4.tcp_notsent_lowat makes it full long before its sndbuf is */
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &never, sizeof(never));
	*ret_key = key;
	return 0;
}

static uint32_t take_slot(struct shunt *s, uint64_t target, uint64_t relay,
			  uint64_t *ret_id)
{
	uint32_t slot = shunt_flows_take(&s->flows);
	struct shunt_flow *flow = shunt_flow(&s->flows, slot);

	flow->target = target;
	flow->relay = relay;
	flow->pending = 1;
	flow->redirected = 0;
	flow->ask = 0;
	flow->evict = 0;
	flow->captured = 0;
	*ret_id = ++s->next_id;
	__atomic_store_n(&flow->id, *ret_id, __ATOMIC_SEQ_CST);
	return slot;
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
	p->up_slot = take_slot(s, p->container_key, p->client_key, &p->up_id);
	p->down_slot = take_slot(s, p->client_key, p->container_key, &p->down_id);
	return 0;
}

static void drop_flow(struct shunt *s, uint64_t id, uint32_t slot)
{
	if (!id)
		return;
	__atomic_store_n(&shunt_flow(&s->flows, slot)->id, 0, __ATOMIC_SEQ_CST);
	bpf_map_delete_elem(bpf_map__fd(s->bpf->maps.senders), &id);
	shunt_flows_put(&s->flows, slot);
}

static void drop_target(struct shunt *s, uint64_t key)
{
	if (key)
		bpf_map_delete_elem(bpf_map__fd(s->bpf->maps.targets), &key);
}

void shunt_pair_close(struct shunt *s, struct shunt_pair *p)
{
	if (!s)
		return;
	drop_flow(s, p->up_id, p->up_slot);
	drop_flow(s, p->down_id, p->down_slot);
	drop_target(s, p->client_key);
	drop_target(s, p->container_key);
	*p = (struct shunt_pair){ 0 };
}

__u64 *shunt_pending(struct shunt *s, uint32_t slot)
{
	return &shunt_flow(&s->flows, slot)->pending;
}

uint64_t shunt_redirected(const struct shunt *s, uint32_t slot)
{
	return __atomic_load_n(&shunt_flow(&s->flows, slot)->redirected, __ATOMIC_RELAXED);
}

bool shunt_wants_eviction(const struct shunt *s, uint32_t slot)
{
	return __atomic_load_n(&shunt_flow(&s->flows, slot)->evict, __ATOMIC_RELAXED);
}

bool shunt_is_captured(const struct shunt *s, uint32_t slot)
{
	return __atomic_load_n(&shunt_flow(&s->flows, slot)->captured, __ATOMIC_RELAXED);
}

void shunt_evict(struct shunt *s, uint32_t slot, uint64_t id)
{
	struct shunt_flow *flow = shunt_flow(&s->flows, slot);

	flow->captured = 0;
	flow->evict = 0;
	bpf_map_delete_elem(bpf_map__fd(s->bpf->maps.senders), &id);
}

int shunt_capture(const struct shunt_tools *tools, uint32_t slot, uint64_t id)
{
	char packet[64] = { 0 }; /* the least that a program of this type is run on */
	struct __sk_buff context = {
		.mark = slot,
		.cb = { (uint32_t)id, (uint32_t)(id >> 32) },
	};
	LIBBPF_OPTS(bpf_test_run_opts, options,
		    .data_in = packet, .data_size_in = sizeof(packet),
		    .ctx_in = &context, .ctx_size_in = sizeof(context));

	if (bpf_prog_test_run_opts(tools->capture_fd, &options) < 0)
		return -errno;
	return (int)options.retval;
}

bool shunt_ask(struct shunt *s, uint32_t slot, enum shunt_ask what)
{
	return !(__atomic_fetch_or(&shunt_flow(&s->flows, slot)->ask, what, __ATOMIC_SEQ_CST) & what);
}

int shunt_walk(const struct shunt_tools *tools)
{
	_cleanup_close_ int fd = bpf_iter_create(tools->walk_fd);
	char unused[64];
	ssize_t n;

	if (fd < 0)
		return -errno;
	/* the program prints nothing: one read runs it over every socket */
	do {
		n = read(fd, unused, sizeof(unused));
	} while (n > 0 || (n < 0 && errno == EAGAIN));
	return n < 0 ? -errno : 0;
}
