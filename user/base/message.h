/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of what other processes of ours send as a struct: a sender may be hostile. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/addr.h"

/* message_is_bool - C leaves undefined what reading any byte but 0 and 1 as a bool does. */
static inline bool message_is_bool(const bool *b)
{
	uint8_t byte;

	memcpy(&byte, b, sizeof(byte));
	return byte <= 1;
}

/* message_is_addr - an address of a known family, or none. */
static inline bool message_is_addr(const struct addr *a)
{
	return a->family == AF_UNSPEC || a->family == AF_INET || a->family == AF_INET6;
}
