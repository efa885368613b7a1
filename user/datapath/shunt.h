/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shunt datapath, user space's side of bpf/shunt.bpf.c. A connection
 * starts on splice; once a direction carries enough, its sender is captured
 * and redirects to the receiver's leg by itself. Whatever is not redirected
 * goes on over splice, at any time, in order.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "shunt_abi.h"

struct shunt; /* maps and programs; they vanish with the process */

/*
 * shunt_bpf_commands - of bpf(2), all that is used after shunt_open(); -1 ends them.
 * shunt_tools_bpf_commands - the same of struct shunt_tools alone.
 */
const int *shunt_bpf_commands(void);
const int *shunt_tools_bpf_commands(void);

/* One direction of a connection. */
struct shunt_side {
	uint64_t id; /* of the flow; 0: none */
	uint32_t slot;
};

/* One connection. Zeroed: not (yet) on the shunt. */
struct shunt_pair {
	uint64_t client_key, container_key; /* in `targets`; 0: none */
	struct shunt_side up, down;
};

/*
 * shunt_open - load the programs, which takes CAP_BPF, CAP_NET_ADMIN and
 * CAP_PERFMON. Returns 0 or -errno with @err set.
 */
int shunt_open(struct shunt **ret, struct error *err);
void shunt_close(struct shunt *s);

/*
 * What a process in another network namespace needs to look for senders there:
 * the capture program, and the links from which iterators are made, for the
 * walk and for shunt_rings() (-1: this kernel has no such iterator).
 */
struct shunt_tools {
	int capture_fd, walk_fd, rings_fd;
};

/* shunt_tools - the descriptors stay @s's. */
struct shunt_tools shunt_tools(const struct shunt *s);

/*
 * shunt_pair_open - prepare a connection: both sockets become targets, both
 * flows get a slot. Returns 0 or -errno: -ENOSPC when the maps are full.
 */
int shunt_pair_open(struct shunt *s, struct shunt_pair *p, int client_fd,
		    int container_fd);

/* shunt_pair_close - before the sockets are closed; harmless when not open. */
void shunt_pair_close(struct shunt *s, struct shunt_pair *p);

/*
 * shunt_pending - the word of a flow that says that bytes are on their way
 * through this process: not 0 before they are read, 0 after all are written.
 */
__u64 *shunt_pending(struct shunt *s, const struct shunt_side *side);

/* shunt_redirected - bytes that the sender of @side put into its target by itself. */
uint64_t shunt_redirected(const struct shunt *s, const struct shunt_side *side);

/*
 * shunt_has_left - after shunt_evict(): is the sender of @side plain TCP again? A
 * system call that it had begun before may keep it captured. True if it cannot be told.
 */
bool shunt_has_left(const struct shunt *s, const struct shunt_side *side);

/*
 * shunt_begun - the same, modulo 2^32, with those that are still on their way
 * into it. After shunt_watch() was told false it does not rise any more.
 */
uint32_t shunt_begun(const struct shunt *s, const struct shunt_side *side);

/*
 * shunt_wants_eviction - did the sender of @side become what is never captured?
 * Its bytes take the relay leg already. shunt_evict - it is plain TCP again at
 * once, and may be captured again.
 */
bool shunt_wants_eviction(const struct shunt *s, const struct shunt_side *side);
void shunt_evict(struct shunt *s, const struct shunt_side *side);

/* shunt_writes_long - did the sender of @side write hundreds of KiB at once? */
bool shunt_writes_long(const struct shunt *s, const struct shunt_side *side);

/* shunt_is_corked - had the sender of @side TCP_CORK set when it wrote last? */
bool shunt_is_corked(const struct shunt *s, const struct shunt_side *side);

/* shunt_messages - writes of its that were redirected; it wraps. */
uint32_t shunt_messages(const struct shunt *s, const struct shunt_side *side);

/* shunt_only_drained - a sender with unread bytes is not captured: SHUNT_UNREAD. */
void shunt_only_drained(struct shunt *s, const struct shunt_side *side);

/* shunt_is_captured - is the sender of @side in, and was not let go? */
bool shunt_is_captured(const struct shunt *s, const struct shunt_side *side);

/*
 * shunt_capture - look for the sender of @side in this process's network
 * namespace and take it, unless it belongs to one of @users, a set that
 * shunt_rings() found. No privilege is needed, only the descriptor.
 * Returns an enum shunt_capture or -errno; SHUNT_FOUND where shunt_admit()
 * must follow, from whichever process and namespace (Linux 7.3 and later).
 */
int shunt_capture(const struct shunt_tools *tools, const struct shunt_side *side, uint64_t users);

/*
 * shunt_admit - take every sender that was found, and call @admitted with the
 * id of its flow and an enum shunt_capture. Returns 0 or -errno.
 */
typedef void shunt_admitted(void *context, uint64_t id, int result);
int shunt_admit(struct shunt *s, shunt_admitted *admitted, void *context);

/* shunt_capture_way - how this kernel lets a sender be captured, in words. */
const char *shunt_capture_way(const struct shunt *s);

/*
 * shunt_capture_here - both, for a sender of this network namespace, while no
 * other capture is under way. Returns an enum shunt_capture or -errno.
 */
int shunt_capture_here(struct shunt *s, const struct shunt_side *side);

/*
 * shunt_watch - while nobody watches, the sender of @side is not redirected:
 * its next bytes take the relay leg, and so tell that there are some.
 */
void shunt_watch(struct shunt *s, const struct shunt_side *side, bool on);

/*
 * shunt_ask - note what the next walk is to do to the sender of @side; false
 * when it is noted already. shunt_is_asked - and not yet done?
 * shunt_walk - do it to all senders of this process's network namespace, whose
 * sockets it walks: 1 ms for the kernel's table, and more with many sockets.
 * Returns the ms that it took, rounded up, or -errno.
 */
bool shunt_ask(struct shunt *s, const struct shunt_side *side,
	       enum shunt_ask what);
bool shunt_is_asked(const struct shunt *s, const struct shunt_side *side,
		    enum shunt_ask what);
int shunt_walk(const struct shunt_tools *tools);

/*
 * shunt_rings - find the users whose tasks in this process's network namespace,
 * as far as its PID namespace shows them, lately sent over io_uring; who does
 * must not be captured. It visits all tasks, which takes about a millisecond
 * for 5000. Returns the µs that it took, or -errno; @ret_users is a set for
 * shunt_capture().
 */
int shunt_rings(const struct shunt_tools *tools, uint64_t *ret_users);
