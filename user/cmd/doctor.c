/* SPDX-License-Identifier: Apache-2.0 */
/* portshunt doctor: every self-test of every datapath, and what `auto` makes of them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "datapath/datapath.h"
#include "datapath/shunt.h"

#define EXIT_TROUBLE 125

static const char usage[] =
	"Usage: portshunt doctor [--json]\n"
	"Tell what this kernel and these privileges allow, test by test.\n\n"
	"      --json     one JSON object instead of a table\n"
	"  -h, --help\n";

/* Where the texts begin, below the head of their column. */
#define TEXT_COLUMN 40

static int parse(int argc, char **argv, bool *ret_json, struct error *err)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			*ret_json = true;
		else if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0)
			return 1;
		else if (argv[i][0] == '-')
			return error_set(err, -EINVAL, "unknown option %s: "
					 "portshunt doctor --help lists them", argv[i]);
		else
			return error_set(err, -EINVAL,
					 "doctor takes no argument: what is \"%s\"?", argv[i]);
	}
	return 0;
}

static void print_tests(enum datapath datapath, const struct probes *probes)
{
	for (size_t i = 0; i < probes->n; i++) {
		const struct probe *p = &probes->list[i];

		printf("%-9s %-16s %s", datapath_name(datapath), p->name,
		       probe_result_name(p->result));
		if (*p->why)
			printf("%*s%s", 13 - (int)strlen(probe_result_name(p->result)), "",
			       p->why);
		if (*p->advice)
			printf("\n%*s%s", TEXT_COLUMN, "", p->advice);
		printf("\n");
	}
}

static void print_table(const struct utsname *kernel, const struct datapath_choice *choice)
{
	enum datapath datapath;
	struct probes probes;

	printf("Linux %s, user id %d\n\n", kernel->release, (int)geteuid());
	printf("%-9s %-16s %-12s %s\n", "DATAPATH", "TEST", "RESULT", "FOUND, AND WHAT TO DO");
	for (size_t i = 0; datapath_probe(i, &datapath, &probes); i++)
		print_tests(datapath, &probes);
	printf("\nauto would pick %s%s%s\n", datapath_name(choice->datapath),
	       *choice->why ? ": " : "", choice->why);
}

static void add_tests(struct json *to, enum datapath datapath, const struct probes *probes)
{
	for (size_t i = 0; i < probes->n; i++) {
		const struct probe *p = &probes->list[i];
		struct json *test = json_new_object();

		json_add_string(test, "datapath", datapath_name(datapath));
		json_add_string(test, "test", p->name);
		json_add_string(test, "result", probe_result_name(p->result));
		json_add_string(test, "found", p->why);
		json_add_string(test, "advice", p->advice);
		json_append(to, test);
	}
}

static void print_json(const struct utsname *kernel, const struct datapath_choice *choice)
{
	struct json *report = json_new_object(), *tests = json_new_array();
	struct json *would = json_new_object();
	_cleanup_free_ char *text = NULL;
	enum datapath datapath;
	struct probes probes;

	for (size_t i = 0; datapath_probe(i, &datapath, &probes); i++)
		add_tests(tests, datapath, &probes);
	json_add_string(would, "datapath", datapath_name(choice->datapath));
	json_add_string(would, "why", choice->why);
	json_add_string(report, "kernel", kernel->release);
	json_add(report, "tests", tests);
	json_add(report, "auto", would);
	text = json_text(report);
	json_free(report);
	if (text)
		puts(text);
}

static void report(bool json)
{
	struct datapath_choice choice;
	struct utsname kernel;

	uname(&kernel);
	datapath_open(DATAPATH_AUTO, &choice, NULL); /* it always finds one */
	shunt_close(choice.shunt);
	if (json)
		print_json(&kernel, &choice);
	else
		print_table(&kernel, &choice);
}

int cmd_doctor(int argc, char **argv)
{
	struct error err = { "" };
	bool json = false;
	int r = parse(argc, argv, &json, &err);

	if (r > 0)
		fputs(usage, stdout);
	if (r == 0)
		report(json);
	if (r >= 0 && fflush(stdout) != 0)
		r = error_errno(&err, -errno, "cannot write to stdout");
	if (r < 0)
		log_error("%s", err.text);
	return r < 0 ? EXIT_TROUBLE : 0;
}
