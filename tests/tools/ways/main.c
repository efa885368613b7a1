/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ways --netns PATH --port PORT: runs the cells that it reads, one a line, and
 * prints one line of key=value for each. ways --list: the ways, with the size
 * of the largest message. See ways.h for what a cell is.
 *
 *	PORT WAY DIRECTION SIZE COUNT edge|level nagle|nodelay fast|slow
 *
 * PORT is where the client connects to: the published one, or 0 for the
 * server itself, in its network namespace.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ways.h"

#define MAX_SIZE 200000000u
#define MAX_COUNT 1000000u

static const struct way *const lists[] = { plain_ways, file_ways, uring_ways };

const struct way *way_named(const char *name)
{
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		for (const struct way *way = lists[i]; way->name; way++)
			if (!strcmp(way->name, name))
				return way;
	return NULL;
}

static void list(void)
{
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		for (const struct way *way = lists[i]; way->name; way++)
			printf("%s %zu\n", way->name,
			       way->max < MAX_SIZE ? way->max : MAX_SIZE);
}

/* grow - the source has at least @size bytes; all of it was made by the same rule. */
static void grow(struct source *s, size_t size)
{
	static char block[PERIOD];
	uint64_t x = 88172645463325252ull;

	if (s->size >= size)
		return;
	if (!s->size) {
		for (size_t i = 0; i < PERIOD; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			block[i] = (char)(x >> 24);
		}
		s->fd = memfd_create("ways", MFD_CLOEXEC);
	} else {
		munmap((void *)s->map, s->size);
	}
	while (s->size < size) {
		if (write(s->fd, block, PERIOD) != PERIOD)
			err(2, "memfd");
		s->size += PERIOD;
	}
	s->map = mmap(NULL, s->size, PROT_READ, MAP_SHARED | MAP_POPULATE, s->fd, 0);
	if (s->map == MAP_FAILED)
		err(2, "mmap");
}

/* one_of - is it @yes? Anything but @yes and @no is a mistake. */
static bool one_of(const char *text, const char *yes, const char *no)
{
	if (strcmp(text, yes) != 0 && strcmp(text, no) != 0)
		errx(2, "%s: expected %s or %s", text, yes, no);
	return !strcmp(text, yes);
}

static struct cell parse(const char *line)
{
	char way[32], direction[8], trigger[8], nagle[8], receiver[8];
	struct cell c;

	if (sscanf(line, "%d %31s %7s %zu %u %7s %7s %7s", &c.port, way, direction,
		   &c.size, &c.count, trigger, nagle, receiver) != 8)
		errx(2,
		     "expected PORT WAY DIRECTION SIZE COUNT TRIGGER NAGLE RECEIVER: %s",
		     line);
	c.way = way_named(way);
	if (!c.way)
		errx(2, "%s: no such way", way);
	if (c.size < 2 || c.size > MAX_SIZE || !c.count || c.count > MAX_COUNT)
		errx(2, "%s: too small or too large", line);
	c.is_up = one_of(direction, "up", "down");
	c.is_edge = one_of(trigger, "edge", "level");
	c.is_nodelay = one_of(nagle, "nodelay", "nagle");
	c.is_slow = one_of(receiver, "slow", "fast");
	return c;
}

int main(int argc, char **argv)
{
	struct source source = { 0 };
	struct cell cell;
	char line[256];
	bool ok = true;

	if (argc == 2 && !strcmp(argv[1], "--list")) {
		list();
		return 0;
	}
	if (argc != 5 || strcmp(argv[1], "--netns") != 0 || strcmp(argv[3], "--port") != 0)
		errx(2, "usage: ways --netns PATH --port PORT, or ways --list");
	while (fgets(line, sizeof(line), stdin)) {
		cell = parse(line);
		grow(&source, cell.size + 2 * PERIOD);
		ok &= cell_run(&cell, &source, argv[2], atoi(argv[4]));
	}
	return !ok;
}
