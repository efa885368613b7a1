/* SPDX-License-Identifier: Apache-2.0 */
/* Text quoted as Go's %q verb quotes it, since podman's messages use it. */
#pragma once

#include <stddef.h>

/* The least size of a buffer: two quotes, three dots, one escape and NUL. */
#define GOQUOTE_MIN 16

/*
 * goquote - @text (@len bytes, any bytes) between double quotes, with the
 * escapes of Go's strconv.Quote: \a \b \f \n \r \t \v \\ \" by name, other
 * control characters and bytes that are not UTF-8 as \x7f, characters that
 * print nothing as \u200b or \U000e0001.
 * What does not fit into @size (≥ GOQUOTE_MIN) is left out after a whole
 * character, and three dots follow the closing quote. Returns @buf.
 */
const char *goquote(const char *text, size_t len, char *buf, size_t size);
