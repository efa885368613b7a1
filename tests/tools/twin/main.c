/* SPDX-License-Identifier: Apache-2.0 */
/* twin: which cases run, where; so many at a time. */
#include <getopt.h>
#include <stdio.h>
#include <sys/wait.h>

#include "twin.h"

static const struct theme {
	const char *name;
	const struct kase *cases;
} themes[] = {
	{ "sending", sending_cases }, { "flushing", flushing_cases },
	{ "receiving", receiving_cases }, { "urgent", urgent_cases },
	{ "readiness", readiness_cases }, { "waiting", waiting_cases },
	{ "writing", writing_cases }, { "ending", ending_cases },
	{ "beginning", beginning_cases }, { "options", option_cases },
	{ "processes", process_cases }, { "threads", thread_cases },
	{ "tls", tls_cases },
};

static const char *const mode_names[] = { "nonblocking", "blocking", "turned", "evicted" };

static const char usage[] =
	"twin --list\n"
	"twin --netns PATH --out DIR --port P [--host-port P] [--native] [--shunt] [--jobs N]\n"
	"     [--families 46m] [--theme THEME,...] [--only CASE]...\n"
	"     [--mode MODE,...] [--patience MS]\n"
	"\n"
	"Runs the cases, each as server in the namespace and client of this one (--native: of\n"
	"that one too). What the ends saw is in DIR/CASE.MODE.ROLE.FAMILY. With --shunt the\n"
	"ends must have been captured where the mode allows it.\n";

const char *job_name(const struct job *job)
{
	static char name[128];

	snprintf(name, sizeof(name), "%s.%s.%s.%c", job->kase->name, mode_names[job->mode],
		 job->client ? "client" : "server", job->family);
	return name;
}

struct pool {
	const struct setup *setup;
	pid_t *pid; /* of each slot */
	unsigned int running;
};

static void wait_one(struct pool *pool)
{
	pid_t pid = wait(NULL);

	for (unsigned int i = 0; i < pool->setup->jobs; i++) {
		if (pool->pid[i] != pid)
			continue;
		pool->pid[i] = 0;
		pool->running--;
	}
}

static void start(struct pool *pool, const struct job *job)
{
	unsigned int slot = 0;

	if (pool->running == pool->setup->jobs)
		wait_one(pool);
	while (pool->pid[slot])
		slot++;
	pool->pid[slot] = fork();
	if (pool->pid[slot] < 0) {
		perror("twin: fork");
		exit(1);
	}
	if (!pool->pid[slot]) {
		referee_run(pool->setup, job, slot);
		exit(0);
	}
	pool->running++;
}

static void start_roles(struct pool *pool, struct job job)
{
	if (!(job.kase->flags & CLIENT_ONLY)) {
		job.client = false;
		start(pool, &job);
	}
	if (!(job.kase->flags & SERVER_ONLY)) {
		job.client = true;
		start(pool, &job);
	}
}

static unsigned int modes_of(char *names)
{
	unsigned int modes = 0;

	for (char *name = strtok(names, ","); name; name = strtok(NULL, ","))
		for (int mode = 0; mode < MODES; mode++)
			if (!strcmp(mode_names[mode], name))
				modes |= 1u << mode;
	return modes;
}

static void run_case(struct pool *pool, const struct kase *kase, unsigned int modes,
		     const char *families)
{
	for (int mode = 0; mode < MODES; mode++) {
		if (!(kase->flags & modes & (1u << mode)))
			continue;
		for (const char *f = families; *f; f++)
			if (*f == '4' || kase->flags & ALL_FAMILIES)
				start_roles(pool, (struct job){ kase, mode, false, *f });
	}
}

static void list_case(const struct kase *kase, unsigned int modes)
{
	for (int mode = 0; mode < MODES; mode++)
		if (kase->flags & modes & (1u << mode))
			printf("%s\t%s\n", kase->name, mode_names[mode]);
}

static bool is_theme_wanted(const char *names, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = names; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (!strncmp(at, name, len) && (!at[len] || at[len] == ','))
			return true;
	}
	return !names;
}

static bool is_wanted(const struct kase *kase, char *const *only, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (!strcmp(kase->name, only[i]))
			return true;
	return !n;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "netns", 1, NULL, 'n' }, { "out", 1, NULL, 'o' },
		{ "port", 1, NULL, 'p' }, { "host-port", 1, NULL, 'P' },
		{ "native", 0, NULL, 'N' }, { "shunt", 0, NULL, 's' },
		{ "jobs", 1, NULL, 'j' }, { "families", 1, NULL, 'f' },
		{ "theme", 1, NULL, 'T' }, { "patience", 1, NULL, 't' }, { "mode", 1, NULL, 'm' }, { "only", 1, NULL, 'c' },
		{ "list", 0, NULL, 'l' }, { 0 },
	};
	struct setup setup = { .jobs = 4, .patience_ms = 5000 };
	const char *families = "4", *theme = NULL;
	struct pool pool = { .setup = &setup };
	char *only[64];
	unsigned int n = 0;
	bool list = false;
	unsigned int modes = IN_ALL;

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (c) {
		case 'n': setup.netns = optarg; break;
		case 'o': setup.out = optarg; break;
		case 'p': setup.port = (uint16_t)atoi(optarg); break;
		case 'P': setup.host_port = (uint16_t)atoi(optarg); break;
		case 'N': setup.native = true; break;
		case 's': setup.shunt = true; break;
		case 'j': setup.jobs = (unsigned int)atoi(optarg); break;
		case 'f': families = optarg; break;
		case 'c': if (n < 64) only[n++] = optarg; break;
		case 'T': theme = optarg; break;
		case 't': setup.patience_ms = atoi(optarg); break;
		case 'm': modes = modes_of(optarg); break;
		case 'l': list = true; break;
		default: fputs(usage, stderr); return 2;
		}
	}
	if (!list && (!setup.netns || !setup.out || !setup.port || !setup.jobs)) {
		fputs(usage, stderr);
		return 2;
	}
	pool.pid = calloc(setup.jobs, sizeof(*pool.pid));
	for (size_t i = 0; i < sizeof(themes) / sizeof(*themes); i++) {
		if (!is_theme_wanted(theme, themes[i].name))
			continue;
		for (const struct kase *k = themes[i].cases; k->name; k++) {
			if (!is_wanted(k, only, n))
				continue;
			if (list)
				list_case(k, modes);
			else
				run_case(&pool, k, modes, families);
		}
	}
	while (pool.running)
		wait_one(&pool);
	free(pool.pid);
	return 0;
}
