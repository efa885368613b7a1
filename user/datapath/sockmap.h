/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sockmap datapath, user space's side of bpf/sockmap.bpf.c: the kernel
 * relays between the forwarder's two sockets of a connection, and leaves to
 * user space what the target has no room for. No socket of an application is
 * touched, so it can be anywhere.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "sockmap_abi.h"

struct sockmap; /* maps and programs; they vanish with the process */

/* One connection. Zeroed: not (yet) in the kernel. */
struct sockmap_pair {
	bool is_open;
	bool has_container; /* false: only what the client sends is looked at */
	uint64_t client_cookie, container_cookie; /* 0: not in the map */
	uint32_t slot;
};

/* The index of a direction in everything below: by the socket that receives. */
#define SOCKMAP_UP(p) (2 * (p)->slot)
#define SOCKMAP_DOWN(p) (2 * (p)->slot + 1)

/*
 * sockmap_kernel_is_sound - does a kernel whose @release and @version uname(2)
 * tells keep the bytes?
 */
bool sockmap_kernel_is_sound(const char *release, const char *version);

/*
 * sockmap_open - load the programs, which takes CAP_BPF, CAP_NET_ADMIN and
 * CAP_PERFMON. Returns 0 or -errno with @err set.
 */
int sockmap_open(struct sockmap **ret, struct error *err);
void sockmap_close(struct sockmap *s);

/* sockmap_bpf_commands - as shunt_bpf_commands(). */
const int *sockmap_bpf_commands(void);

/*
 * sockmap_pair_open - let the kernel relay. What was read from either socket
 * has to be written, and nothing be read in part: the kernel takes a segment
 * as a whole. What waits unread is taken care of. Returns 0 or -errno, and
 * then nothing has changed: -ENOSPC, -EBUSY, -EINVAL (a ULP), -EOPNOTSUPP
 * (no longer open).
 */
int sockmap_pair_open(struct sockmap *s, struct sockmap_pair *p, int client_fd,
		      int container_fd);

/*
 * sockmap_pair_close - after the sockets were closed: no socket may leave the
 * maps before that, bytes would be lost. Harmless when not open.
 */
void sockmap_pair_close(struct sockmap *s, struct sockmap_pair *p);

/* sockmap_flow - the counters of a direction. */
struct sockmap_flow *sockmap_flow(struct sockmap *s, uint32_t index);

/*
 * sockmap_backlog - how many redirected bytes are not yet in the target's
 * write queue; 0 when the target is gone.
 */
uint32_t sockmap_backlog(struct sockmap *s, uint32_t index);

/*
 * sockmap_spills_fd - readable when a direction has begun to pass bytes.
 * sockmap_spills - call @fn for each; @index may have been given up since.
 */
typedef void sockmap_spill_fn(void *context, uint32_t index);
int sockmap_spills_fd(const struct sockmap *s);
void sockmap_spills(struct sockmap *s, sockmap_spill_fn *fn, void *context);
