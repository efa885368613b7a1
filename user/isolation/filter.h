/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls of each process, seccomp(2). All of them are listed in filter.c. */
#pragma once

/* Whose list: one bit each. */
enum filter_process {
	FILTER_FORWARDER = 1, /* listeners and sockets come as descriptors */
	FILTER_PROXY = 2,     /* docker-proxy: a forwarder that makes its sockets */
	FILTER_WALKER = 4,    /* runs iterators */
	FILTER_NETNS = 8,     /* the netns child: makes sockets, starts walkers */
	FILTER_SUPERVISOR = 16, /* has files, and executes nothing any more */
	FILTER_ICMP = 32,     /* reads messages, and sends by the sockets that it has */
};

/*
 * filter_enter - from now on the process makes those calls with those arguments
 * that its list has. Any other ends it with SIGSYS's exit status, 128 + 31, and
 * one log line that names the call; or with the signal itself, and no line, where
 * the signal is blocked. @name: the process in that line; static.
 * @bpf_commands: the commands of bpf(2) that it keeps, ended by -1; NULL: none.
 *
 * Needs no_new_privs. Does nothing under a sanitizer, whose own calls are many.
 * Returns 0 or -errno.
 */
int filter_enter(enum filter_process process, const char *name, const int *bpf_commands);
