/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes that streams carry: pseudo-random, and known from the seed and
 * the position alone, so a receiver checks them without having kept them.
 *
 * The first eight bytes of a stream are its seed: a receiver needs to be told
 * nothing, and a byte that strayed in from another stream is found out. The
 * seed's lowest byte says who sends.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATTERN_SEED_SIZE 8

enum pattern_kind {
	PATTERN_CLIENT = 'C',
	PATTERN_ANSWER = 'A', /* derived from the client's, which checks it */
	PATTERN_FIRST = 'F', /* a server that spoke before its client did */
};

uint64_t pattern_seed(uint64_t seed, unsigned int stream, enum pattern_kind kind);

/* pattern_answer - the seed with which a server answers @client_seed. */
uint64_t pattern_answer(uint64_t client_seed);

enum pattern_kind pattern_kind(uint64_t seed);

/* pattern_fill - the bytes of positions @pos up to @pos + @len. */
void pattern_fill(uint64_t seed, uint64_t pos, unsigned char *buf, size_t len);

/* pattern_check - the index in @buf of the first wrong byte, @len if none. */
size_t pattern_check(uint64_t seed, uint64_t pos, const unsigned char *buf,
		     size_t len);

/*
 * A checksum of what really was written or read, whatever it should have
 * been, and however it was cut. Zeroed before use.
 */
struct sum {
	uint64_t a, b, word;
	unsigned int have; /* bytes in word */
};

void sum_add(struct sum *sum, const unsigned char *buf, size_t len);
uint64_t sum_value(const struct sum *sum);
