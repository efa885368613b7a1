/* SPDX-License-Identifier: Apache-2.0 */
#include "pattern.h"

#include <string.h>

/* The output function of SplitMix64 (Steele, Lea, Flood 2014). */
static inline uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

static inline uint64_t word_at(uint64_t seed, uint64_t index)
{
	return index ? mix(seed + index * 0x9e3779b97f4a7c15ull) : seed;
}

uint64_t pattern_seed(uint64_t seed, unsigned int stream, enum pattern_kind kind)
{
	return (mix(mix(seed + 1) + stream) & ~0xffull) | (uint64_t)kind;
}

uint64_t pattern_answer(uint64_t client_seed)
{
	return (mix(client_seed) & ~0xffull) | PATTERN_ANSWER;
}

enum pattern_kind pattern_kind(uint64_t seed)
{
	return (enum pattern_kind)(seed & 0xff);
}

void pattern_fill(uint64_t seed, uint64_t pos, unsigned char *buf, size_t len)
{
	uint64_t index = pos / 8, word;
	size_t skip = pos % 8, n;

	if (skip) {
		n = len < 8 - skip ? len : 8 - skip;
		word = word_at(seed, index++);
		memcpy(buf, (unsigned char *)&word + skip, n);
		buf += n;
		len -= n;
	}
	for (; len >= 8; len -= 8, buf += 8) {
		word = word_at(seed, index++);
		memcpy(buf, &word, 8);
	}
	word = word_at(seed, index);
	memcpy(buf, &word, len);
}

size_t pattern_check(uint64_t seed, uint64_t pos, const unsigned char *buf,
		     size_t len)
{
	unsigned char want[4096];
	size_t done = 0, n;

	while (done < len) {
		n = len - done < sizeof(want) ? len - done : sizeof(want);
		pattern_fill(seed, pos + done, want, n);
		if (memcmp(want, buf + done, n) != 0) {
			for (n = 0; want[n] == buf[done + n]; n++)
				;
			return done + n;
		}
		done += n;
	}
	return len;
}

void sum_add(struct sum *sum, const unsigned char *buf, size_t len)
{
	uint64_t word;

	for (; len && sum->have; len--) {
		sum->word |= (uint64_t)*buf++ << (8 * sum->have);
		sum->have = (sum->have + 1) % 8;
		if (!sum->have) {
			sum->b += sum->a += sum->word;
			sum->word = 0;
		}
	}
	for (; len >= 8; len -= 8, buf += 8) {
		memcpy(&word, buf, 8);
		sum->b += sum->a += word;
	}
	for (; len; len--)
		sum->word |= (uint64_t)*buf++ << (8 * sum->have++);
}

uint64_t sum_value(const struct sum *sum)
{
	return mix(sum->b + mix(sum->a + mix(sum->word + sum->have)));
}
