/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over files, its corpus, without libFuzzer: one TAP line
 * a file. A target that finds fault aborts, and the plan is left unfulfilled.
 */
#include <errno.h>
#include <string.h>

#include "fuzz/fuzz.h"

/* Far above any input that is kept. */
#define INPUT_MAX (1 << 20)

static int replay(const char *path)
{
	/* exactly as long as the input: one byte further is the sanitizer's */
	uint8_t *exact, *data = malloc(INPUT_MAX);
	FILE *f = fopen(path, "re");
	size_t size;
	int r = 0;

	if (!f || !data) {
		printf("# %s: %s\n", path, strerror(errno));
		r = -1;
		goto out;
	}
	size = fread(data, 1, INPUT_MAX, f);
	if (ferror(f) || !feof(f)) {
		printf("# %s: %s\n", path, ferror(f) ? strerror(errno) : "too long");
		r = -1;
		goto out;
	}
	exact = malloc(size);
	CHECK(exact || !size);
	if (size)
		memcpy(exact, data, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
out:
	if (f)
		fclose(f);
	free(data);
	return r;
}

int main(int argc, char **argv)
{
	int failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2) {
		printf("1..1\nnot ok 1 - no files to replay\n");
		return 1;
	}
	printf("1..%d\n", argc - 1);
	for (int i = 1; i < argc; i++) {
		int r = replay(argv[i]);

		printf("%sok %d - %s\n", r < 0 ? "not " : "", i, argv[i]);
		failed |= r < 0;
	}
	return failed;
}
