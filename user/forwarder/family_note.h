/* SPDX-License-Identifier: Apache-2.0 */
/* The container's two addresses, and by which of them a port of its did not answer: family.h. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/addr.h"

struct forwarder;

/* What is known of a listener's port in the container. Zeroed: nothing. */
struct family_note {
	sa_family_t bad; /* it did not answer when the other one did; AF_UNSPEC: none */
	bool is_silent;	 /* instead of refusing */
	uint64_t until;	 /* CLOCK_MONOTONIC, ms */
};

/* family_target - where a client of @family goes from a listener with @note. */
const struct addr *family_target(const struct forwarder *f, const struct family_note *note,
				 sa_family_t family);

/* family_other - the container's address that is not of @family; NULL: none. */
const struct addr *family_other(const struct forwarder *f, sa_family_t family);

/* family_note_bad - @port did not answer by @family, and did by the other one. */
void family_note_bad(struct family_note *note, sa_family_t family, bool is_silent, uint16_t port);
