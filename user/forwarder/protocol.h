/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the supervisor says to the forwarder, over a SOCK_SEQPACKET: one
 * request, one reply; or many LISTENs, or ADOPTs, in one message, each with its
 * share of the descriptors, and one reply for all. End of file on either side means the
 * other is gone. The forwarder reads the bytes of strangers: its replies are hostile input.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/error.h"
#include "rule/limits.h"
#include "rule/spec.h"

/* How long UDP sessions live, in seconds without a datagram. */
struct udp_limits {
	uint32_t timeout;	 /* before the container has replied */
	uint32_t timeout_stream; /* since then */
};

enum forwarder_request_type {
	FORWARDER_SETUP,  /* once, first */
	FORWARDER_LISTEN, /* with descriptors of listening, or bound UDP, sockets */
	FORWARDER_START,  /* accept from now on; later: the container has other addresses */
	FORWARDER_OPEN,	  /* a rule that came after the start is complete: accept */
	FORWARDER_REMOVE, /* a rule */
	FORWARDER_RULES,  /* a page of what each has done */
	FORWARDER_CONNECTIONS, /* a page of those that are open */
	FORWARDER_STOP,	       /* no reply; the process ends */
	/* another portshunt takes over: hand_over.h */
	FORWARDER_SOCKETS,  /* copies of a rule's listeners; the reply has descriptors */
	FORWARDER_PAUSE,    /* leave new clients to wait, or take them again */
	FORWARDER_SESSIONS, /* a page of UDP sessions; the reply has their descriptors */
	FORWARDER_ADOPT,    /* a UDP session, with its descriptor */
	FORWARDER_LEAVE,    /* no new clients any more; the process ends with its last */
	FORWARDER_REQUESTS,
};

/* What is told at once: the replies are small, whatever there is to tell. */
#define FORWARDER_PAGE 32

/* How many LISTENs, or ADOPTs, one message has at most. */
#define FORWARDER_AT_ONCE 128

/* Sessions, which have a descriptor each, that are told at once. */
#define FORWARDER_SESSIONS_PAGE 64

/* A UDP session, for another process that has its listener. */
struct forwarder_session {
	uint32_t rule;
	uint16_t container_port;
	bool is_replied;
	in_port_t client_port; /* as in struct udp_key */
	uint32_t scope;
	struct in6_addr client, local;
};

struct forwarder_request {
	uint32_t type;
	uint32_t serial; /* comes back in the reply */
	union {
		struct {
			uint8_t datapath;  /* enum datapath */
			uint8_t also;	   /* bits 1 << enum datapath: rules will ask for these */
			uint8_t log_level; /* enum log_level */
			bool log_json;
			bool may_have_udp; /* a UDP port is published, now or later */
			struct udp_limits udp;
			/* those that are not given are off; of each rule, unless OPEN says more */
			struct limits all, each;
		} setup;
		struct {
			uint32_t rule;
			uint16_t count; /* of descriptors */
			/* of the first descriptor; the next has the next */
			uint16_t container_port;
			bool udp;
			struct port_spec spec; /* of the rule, as it is bound; with its datapath */
		} listen;
		struct forwarder_removal {
			uint32_t rule;
			bool drain; /* connections go on, for timeout_ms if not 0 */
			uint32_t timeout_ms;
		} remove;
		struct {
			uint32_t rule;
			struct limits limits; /* those that are given */
		} open;
		struct {
			uint32_t after; /* those with a higher number */
		} rules;
		struct {
			/* those of this rule with a lower number, or of later rules */
			uint32_t rule;
			uint64_t before;
			bool only; /* this rule */
		} connections;
		struct {
			/* in the container; AF_UNSPEC: none of this family,
			 * its clients are carried over to the other one */
			struct addr target4, target6;
			bool is_paused; /* as by FORWARDER_PAUSE */
			bool is_final;	/* no rule comes after the first start: rules_final() */
			/* to which clients of both families go; AF_UNSPEC: each to its own */
			uint8_t first;
		} start;
		struct {
			/* connections whose container side has ended may
			 * still deliver what is on its way, for a second */
			bool drain;
		} stop;
		struct {
			uint32_t rule;
			uint16_t container_port; /* of the first */
			uint16_t count;		 /* no more than these */
			bool udp;
		} sockets;
		bool pause;
		uint32_t sessions; /* `after` of the page before, 0 at first */
		struct forwarder_session adopt;
		struct {
			uint32_t timeout_ms; /* connections go on so long */
		} leave;
	};
};

struct forwarder_bytes {
	uint64_t relayed, redirected; /* by this process; by the senders themselves */
};

struct forwarder_counts {
	/* by the host, sessions of UDP among them; by the container */
	uint64_t accepted, refused;
	struct forwarder_bytes up, down;
	/* directions that carried enough for the shunt: it took them, or not */
	uint64_t captured, fallback;
	uint64_t released; /* it took them, and they are back on splice: payoff.h */
};

struct forwarder_limits {
	struct limits limits;
	uint64_t reached[LIMITS]; /* so often: forwarder/gate.h */
};

struct forwarder_rule {
	uint32_t id, connections; /* open ones, and sessions */
	bool is_removed;
	uint8_t datapath; /* that it uses */
	struct port_spec spec;
	struct forwarder_counts counts;
	struct forwarder_limits limits;
};

struct forwarder_connection {
	uint64_t id;
	uint32_t rule;
	bool is_connecting;
	struct addr client, host, container;
	uint16_t client_port, host_port, container_port;
	struct forwarder_bytes up, down;
};

struct forwarder_reply {
	int32_t error; /* 0 or -errno */
	uint32_t serial;
	union {
		char text[ERROR_TEXT_MAX]; /* what failed, when error does not say it */
		/* REMOVE, LEAVE: open before; START: ended by it; ADOPT: adopted */
		uint32_t connections;
		struct {
			uint32_t n; /* fewer than a page: the last */
			uint8_t datapath; /* of rules that ask for none */
			struct addr target4, target6;
			struct forwarder_counts past; /* of rules that are no more */
			struct forwarder_limits limits; /* of all together */
			struct forwarder_rule list[FORWARDER_PAGE];
		} rules;
		struct {
			uint32_t n;
			struct forwarder_connection list[FORWARDER_PAGE];
		} open;
		struct forwarder_sessions {
			uint32_t n;
			uint32_t after; /* where the next page begins; 0: this is the last */
			struct forwarder_session list[FORWARDER_SESSIONS_PAGE];
		} sessions;
	};
};

/*
 * forwarder_requests_check - check a message of @len bytes at @requests, which came with
 * @n_fds descriptors. Pure. Returns how many requests it has, 1 to FORWARDER_AT_ONCE, or
 * -EBADMSG: until it has returned, no bool in it may be read.
 */
int forwarder_requests_check(const struct forwarder_request *requests, size_t len, size_t n_fds);

/* forwarder_request_fds - how many of the message's descriptors belong to @request. */
size_t forwarder_request_fds(const struct forwarder_request *request);

struct forwarder_told;

/* What a reply answers. */
struct forwarder_expected {
	const struct forwarder_request *requests; /* of one message */
	size_t n_requests;
	const struct forwarder_told *told; /* these requests and all before them */
};

/*
 * forwarder_reply_check - check a message of @len bytes at @reply, which came with @n_fds
 * descriptors, but for its serial; @reply->text ends with a NUL afterwards. Pure.
 * What an accepted page lists follows what @expected asks for in the order of the pages, so
 * that they come to an end, and nothing twice; and it is of what the forwarder was asked for,
 * see told.h. Returns 0 or -EBADMSG, as above.
 */
int forwarder_reply_check(struct forwarder_reply *reply, size_t len, size_t n_fds,
			  const struct forwarder_expected *expected);
