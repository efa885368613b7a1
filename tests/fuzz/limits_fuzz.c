/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as --limit and --rule-limit: what is accepted keeps to its bounds and survives
 * being written and read again; what is refused changes nothing and is explained in one line.
 */
#include <errno.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "rule/limits.h"

static void check(const char *text, bool each)
{
	struct limits l, untouched, again = { 0 };
	char written[LIMITS_FORMAT_MAX];
	struct error err = { "" };
	int r;

	memset(&untouched, 0x5a, sizeof(untouched));
	l = untouched;
	r = limits_parse(text, each, &l, &err);
	CHECK(r == 0 || r == -EINVAL);
	if (r < 0) {
		CHECK(memcmp(&l, &untouched, sizeof(l)) == 0 && *err.text);
		return;
	}
	l = (struct limits){ 0 };
	CHECK(limits_parse(text, each, &l, NULL) == 0);
	CHECK(limits_given(&l));
	for (int i = 0; i < LIMITS; i++)
		CHECK(l.of[i] <= LIMIT_MAX || l.of[i] == LIMIT_OFF);
	CHECK(each || !l.of[LIMIT_IDLE_TIMEOUT]);
	limits_format(&l, written);
	CHECK(strlen(written) < sizeof(written) - 1);
	if (!*written)
		return;
	CHECK(limits_parse(written, each, &again, &err) == 0);
	for (int i = 0; i < LIMITS; i++)
		CHECK(again.of[i] == (l.of[i] == LIMIT_OFF ? 0 : l.of[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	CHECK(text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	check(text, false);
	check(text, true);
	free(text);
	return 0;
}
