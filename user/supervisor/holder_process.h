/* SPDX-License-Identifier: Apache-2.0 */
/* The process that a socket belongs to, for error messages: see holder.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* holder_now - CLOCK_MONOTONIC, ms. */
uint64_t holder_now(void);

/*
 * holder_process - look in /proc for a process that has the socket of @inode, until @end at the
 * latest (holder_now()). Returns whether one was found, as "nginx (process 123)" in @text.
 */
bool holder_process(uint32_t inode, uint64_t end, char *text, size_t size);
