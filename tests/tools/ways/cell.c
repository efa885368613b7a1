/* SPDX-License-Identifier: Apache-2.0 */
/* One cell: two processes, and what they found. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/patience.h"
#include "ways.h"

enum { SERVER, CLIENT };

/* Whatever hangs without saying so; more than an end waits. */
#define DEADLINE_S 40

struct run {
	const struct cell *cell;
	const struct source *source;
	const char *netns;
	int port;
	int ready[2];
	struct outcome *outcomes;
};

static pid_t start(struct run *run, int role)
{
	struct end e = { .cell = run->cell,
			 .source = run->source,
			 .outcome = &run->outcomes[role] };
	bool is_sender = (role == CLIENT) == run->cell->is_up;
	pid_t pid = fork();

	if (pid < 0) {
		perror("fork");
		exit(2);
	}
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	alarm(DEADLINE_S * patience());
	close(run->ready[role == CLIENT]);
	if (role == SERVER)
		end_open_server(&e, run->netns, run->port, run->ready[1]);
	else
		end_open_client(&e, run->cell->port ? NULL : run->netns,
				run->cell->port ? run->cell->port : run->port,
				run->ready[0]);
	if (is_sender && run->cell->way->open)
		run->cell->way->open(&e);
	if (role == SERVER)
		talk_server(&e);
	else
		talk_client(&e);
	_exit(0);
}

static void finish(struct run *run, pid_t pid, int role)
{
	struct outcome *o = &run->outcomes[role];
	int status;

	while (waitpid(pid, &status, 0) < 0)
		;
	if (!WIFSIGNALED(status) || o->error_at)
		return;
	o->error_at = now_ns();
	snprintf(o->error, sizeof(o->error), "signal-%d", WTERMSIG(status));
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double us_at(const struct outcome *o, unsigned int percent)
{
	unsigned int i = o->messages * percent / 100;

	if (!o->messages)
		return 0;
	return (double)o->latencies[i < o->messages ? i : o->messages - 1] / 1e3;
}

static double ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

/* The earlier error is the cause of the other. */
static void print_error(const struct outcome *o)
{
	int i = o[CLIENT].error_at && (!o[SERVER].error_at ||
				       o[CLIENT].error_at < o[SERVER].error_at)
			? CLIENT
			: SERVER;

	if (!o[i].error_at)
		printf(" error=none\n");
	else
		printf(" error=%s:%s\n", i == CLIENT ? "client" : "server", o[i].error);
}

static void print(const struct cell *cell, struct outcome *o)
{
	const struct outcome *sender = &o[cell->is_up ? CLIENT : SERVER];
	const struct outcome *receiver = &o[cell->is_up ? SERVER : CLIENT];
	struct outcome *client = &o[CLIENT];

	qsort(client->latencies, client->messages, sizeof(*client->latencies), by_value);
	printf("port=%d way=%s dir=%s size=%zu trigger=%s nagle=%s receiver=%s",
	       cell->port, cell->way->name, cell->is_up ? "up" : "down", cell->size,
	       cell->is_edge ? "edge" : "level", cell->is_nodelay ? "off" : "on",
	       cell->is_slow ? "slow" : "fast");
	printf(" messages=%u seconds=%.6f mbs=%.2f p50_us=%.1f p99_us=%.1f max_us=%.1f",
	       client->messages, ms(client->ns) / 1e3,
	       client->ns ? (double)client->messages * (double)cell->size * 1e3 /
				    (double)client->ns
			  : 0,
	       us_at(client, 50), us_at(client, 99), us_at(client, 100));
	printf(" room_waits=%u room_10ms=%u room_ms=%.2f data_10ms=%u data_ms=%.2f "
	       "answer_ms=%.2f",
	       sender->room.n, sender->room.long_ones, ms(sender->room.longest),
	       receiver->data.long_ones, ms(receiver->data.longest),
	       ms(sender->data.longest));
	print_error(o);
	fflush(stdout);
}

bool cell_run(const struct cell *cell, const struct source *source, const char *netns,
	      int port)
{
	size_t len = 2 * sizeof(struct outcome) + cell->count * sizeof(uint64_t);
	struct run run = { cell, source, netns, port, { -1, -1 }, NULL };
	pid_t server, client;
	bool ok;

	run.outcomes = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);
	if (run.outcomes == MAP_FAILED || pipe2(run.ready, O_CLOEXEC) < 0) {
		perror("ways");
		exit(2);
	}
	run.outcomes[CLIENT].latencies = (uint64_t *)(run.outcomes + 2);
	server = start(&run, SERVER);
	client = start(&run, CLIENT);
	close(run.ready[0]);
	close(run.ready[1]);
	finish(&run, client, CLIENT);
	finish(&run, server, SERVER);
	ok = !run.outcomes[SERVER].error_at && !run.outcomes[CLIENT].error_at;
	print(cell, run.outcomes);
	munmap(run.outcomes, len);
	return ok;
}
