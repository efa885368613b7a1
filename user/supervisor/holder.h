/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which socket has a port that bind(2) has refused? sock_diag(7) lists those of this network
 * namespace to everybody; /proc says which process has it, where this one may look.
 *
 * For error messages only: the kernel decides by more than it tells (SO_REUSEADDR), and the
 * socket may be gone by now. Takes half a second at most, and reads a bounded number of answers.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "rule/spec.h"

struct holder {
	/* "[::]:8080" where @spec means both families and only IPv6 is taken; else "" */
	char part[ADDR_TEXT_MAX];
	/* who has it and what to do, never empty: follows "address already in use: " */
	char text[420];
};

/* holder_find - who has @port, where @spec cannot be bound to it. Always fills @ret. */
void holder_find(bool udp, const struct port_spec *spec, uint16_t port, struct holder *ret);
