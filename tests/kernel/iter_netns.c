/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An iterator over TCP sockets sees those of the network namespace that it was
 * created in, whoever reads it: so it is the netns child that creates the
 * shunt's.
 */
#include <linux/btf.h>
#include <sys/stat.h>

#include "kernel/process.h"
#include "kernel/sockhash.h"

static char *types_read(size_t *ret_size)
{
	int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC);
	struct stat st;
	size_t n = 0;
	char *types;

	if (fd < 0)
		tap_skip_all("the kernel's types are not to be had");
	MUST(fstat(fd, &st));
	types = malloc((size_t)st.st_size);
	while (types && n < (size_t)st.st_size)
		n += (size_t)MUST(read(fd, types + n, (size_t)st.st_size - n));
	close(fd);
	*ret_size = n;
	return types;
}

/* The bytes that follow a struct btf_type: Documentation/bpf/btf.rst. */
static size_t extra(const struct btf_type *t)
{
	size_t n = BTF_INFO_VLEN(t->info);

	switch (BTF_INFO_KIND(t->info)) {
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return 4;
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
	case BTF_KIND_DATASEC:
	case BTF_KIND_ENUM64:
		return n * 12;
	case BTF_KIND_ENUM:
	case BTF_KIND_FUNC_PROTO:
		return n * 8;
	default:
		return 0;
	}
}

/* The number of a function's type among the kernel's; 0: there is none. */
static uint32_t function_id(const char *name)
{
	size_t size, at;
	char *types = types_read(&size);
	const struct btf_header *head = (void *)types;
	const char *strings = types + head->hdr_len + head->str_off;
	uint32_t id = 0, found = 0;

	for (at = head->hdr_len + head->type_off;
	     at < head->hdr_len + head->type_off + head->type_len && !found;) {
		const struct btf_type *t = (void *)(types + at);

		id++;
		if (BTF_INFO_KIND(t->info) == BTF_KIND_FUNC &&
		    strcmp(strings + t->name_off, name) == 0)
			found = id;
		at += sizeof(*t) + extra(t);
	}
	free(types);
	return found;
}

/* Counts, in a hash of cookies, how often it is shown the sockets that are in there. */
static int link_open(int seen)
{
	const struct bpf_insn insns[] = {
		INSN_LOAD(BPF_REG_1, BPF_REG_1, 8), /* struct bpf_iter__tcp, sk_common */
		INSN_SKIP_IF_0(BPF_REG_1, 10),
		INSN_CALL(BPF_FUNC_get_socket_cookie),
		INSN_STORE(BPF_REG_10, BPF_REG_0, -8),
		INSN_MAP(BPF_REG_1, seen),
		INSN_COPY(BPF_REG_2, BPF_REG_10),
		INSN_ADD(BPF_REG_2, -8),
		INSN_CALL(BPF_FUNC_map_lookup_elem),
		INSN_SKIP_IF_0(BPF_REG_0, 2),
		INSN_SET(BPF_REG_1, 1),
		INSN_COUNT(BPF_REG_0, BPF_REG_1),
		INSN_SET(BPF_REG_0, 0),
		INSN_EXIT,
	};
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_TRACING,
		.expected_attach_type = BPF_TRACE_ITER,
		.attach_btf_id = function_id("bpf_iter_tcp"),
	};
	union bpf_attr attach = { 0 };

	if (!load.attach_btf_id)
		tap_skip_all("this kernel has no iterator over TCP sockets");
	attach.link_create.prog_fd =
		(uint32_t)MUST(program_load(&load, insns, sizeof(insns) / sizeof(*insns)));
	attach.link_create.attach_type = BPF_TRACE_ITER;
	return (int)MUST(bpf(BPF_LINK_CREATE, &attach));
}

static int iterator_open(int link)
{
	union bpf_attr attr = { .iter_create.link_fd = (uint32_t)link };

	return (int)MUST(bpf(BPF_ITER_CREATE, &attr));
}

static void read_all(int iterator)
{
	ssize_t n;
	char c;

	do
		n = read(iterator, &c, 1);
	while (n > 0 || (n < 0 && errno == EAGAIN));
	MUST(n);
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie;
	socklen_t len = sizeof(cookie);

	MUST(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len));
	return cookie;
}

static void look_for(int seen, int fd)
{
	uint64_t cookie = cookie_of(fd), none = 0;

	MUST(map_call(BPF_MAP_UPDATE_ELEM, seen, &cookie, &none));
}

static long times_seen(int seen, int fd)
{
	uint64_t cookie = cookie_of(fd), n;

	MUST(map_call(BPF_MAP_LOOKUP_ELEM, seen, &cookie, &n));
	return (long)n;
}

int main(void)
{
	int seen = map_create(BPF_MAP_TYPE_HASH, sizeof(uint64_t));
	int here[2], there[2], link, of_here, of_there;

	if (seen < 0)
		tap_skip_all("needs CAP_BPF");
	link = link_open(seen);
	if (own_network() < 0)
		tap_skip_all("needs CAP_SYS_ADMIN");
	tcp_pair(here);
	of_here = iterator_open(link);
	MUST(own_network() < 0 ? -1 : 0);
	tcp_pair(there);
	of_there = iterator_open(link);
	look_for(seen, here[0]);
	look_for(seen, there[0]);

	read_all(of_there);
	tap_is(times_seen(seen, there[0]), 1, "an iterator sees the sockets of its namespace");
	tap_is(times_seen(seen, here[0]), 0, "and no others");
	read_all(of_here);
	tap_is(times_seen(seen, here[0]), 1, "one of another namespace sees those of that");
	tap_is(times_seen(seen, there[0]), 1, "wherever it is read");
	close(of_here);
	close(of_there);
	close(link);
	close(seen);
	close_pair(here);
	close_pair(there);
	return tap_end();
}
