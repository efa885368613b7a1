/* SPDX-License-Identifier: Apache-2.0 */
/* What a process keeps in memory. */
#pragma once

/*
 * memory_trim - let go of the pages of the program and its libraries that the
 * start needed: they stay in the page cache, and those of use come back by
 * themselves. A process that waits for years is a third as large without them.
 */
void memory_trim(void);
