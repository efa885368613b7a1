/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the supervisor says to the netns child, over a SOCK_SEQPACKET: one
 * request, one reply, but for NETNS_SIGNAL (none) and NETNS_RUN, whose reply
 * is the end of COMMAND. End of file means the other side is gone. Under `run` COMMAND
 * can take the init's end by pidfd_getfd(2): its replies are hostile input.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/error.h"

enum netns_request_type {
	NETNS_ENTER,	   /* with the namespace's descriptor (attach) */
	NETNS_SETUP,	   /* lo, /proc, resolv.conf (run) */
	NETNS_ADDRESS,	   /* the child address: reply.address */
	NETNS_DAD_OFF,	   /* before slirp4netns starts */
	NETNS_DAD_RESTORE, /* when it is ready, or failed */
	NETNS_WAIT_IPV6,   /* when it is ready */
	NETNS_ISOLATE,	   /* from now on only ADDRESS, OTHER, and sockets (attach) */
	NETNS_RUN,	   /* COMMAND of the argument list (run) */
	NETNS_SIGNAL,	   /* send it to COMMAND */
	NETNS_OTHER,	   /* that of the other family beside request.beside: reply.address */
	NETNS_REQUESTS,
};

struct netns_request {
	uint32_t type;
	uint8_t log_level;
	bool log_json;
	union {
		struct addr nameserver; /* SETUP; AF_UNSPEC: none */
		struct addr beside;	/* OTHER */
		struct {
			uint64_t blocked, ignored; /* bit N-1: signal N */
			bool terminal; /* stdin is one, and COMMAND's group gets it */
		} run;
		struct {
			int32_t number;
			/* sent to our whole process group, not to us alone */
			bool group;
		} signal;
	};
};

struct netns_reply {
	int32_t error; /* 0 or -errno, with text */
	char text[ERROR_TEXT_MAX];
	struct addr address; /* ADDRESS, OTHER (or none), with its interface in text */
	/* RUN: COMMAND's exit status, shell style; -N: its group got signal N */
	int32_t status;
	uint64_t cookie;     /* ENTER: fd_netns_cookie() of sockets there; 0: not known */
};

/*
 * netns_request_check, netns_reply_check - check a message of @len bytes at @request, which
 * came with @n_fds descriptors, or at @reply. Pure. Returns 0, or -EBADMSG: until then no
 * bool in it may be read; @reply->text has a NUL.
 */
int netns_request_check(const struct netns_request *request, size_t len, size_t n_fds);
int netns_reply_check(const struct netns_reply *reply, size_t len);
