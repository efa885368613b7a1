/* SPDX-License-Identifier: Apache-2.0 */
/* Knowing, not hoping, that a thread waits in the kernel. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>

#include "end.h"

void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static bool read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, text, size - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return true;
}

static bool is_io(long nr)
{
	static const long calls[] = {
		SYS_recvfrom, SYS_sendto, SYS_recvmsg, SYS_sendmsg, SYS_read, SYS_write, SYS_poll,
		SYS_epoll_wait, SYS_select, SYS_pselect6, SYS_ppoll, SYS_splice, SYS_sendfile,
		SYS_writev, SYS_readv,
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (calls[i] == nr)
			return true;
	return false;
}

static void await_sleeps(struct end *e, pid_t pid, pid_t tid, const int *done, int looks)
{
	char path[64], text[256];
	int asleep = 0;
	long nr;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
	for (int i = 0; i < e->setup->patience_ms; i++) {
		/* "running", or the number of the call that it sleeps in */
		if (read_file(path, text, sizeof(text)) && sscanf(text, "%ld", &nr) == 1 &&
		    is_io(nr))
			asleep++;
		else
			asleep = 0;
		if (asleep == looks || (done && __atomic_load_n(done, __ATOMIC_SEQ_CST)))
			return;
		nap();
	}
	say(e, "thread does not wait");
	_exit(6);
}

void await_sleep(struct end *e, pid_t pid, pid_t tid)
{
	await_sleeps(e, pid, tid, NULL, 1);
}

void await_stuck(struct end *e, pid_t pid, pid_t tid)
{
	await_sleeps(e, pid, tid, NULL, 50);
}

void await_state(struct end *e, pid_t pid, char state)
{
	char path[64], text[512], *at;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	for (int i = 0; i < e->setup->patience_ms; i++) {
		at = read_file(path, text, sizeof(text)) ? strrchr(text, ')') : NULL;
		if (at && at[2] == state)
			return;
		nap();
	}
	say(e, "process does not get to state %c", state);
	_exit(6);
}

static void *waiter_thread(void *arg)
{
	struct waiter *w = arg;

	__atomic_store_n(&w->tid, gettid(), __ATOMIC_SEQ_CST);
	w->result = w->call(w->e);
	__atomic_store_n(&w->done, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

void waiter_start(struct waiter *w, struct end *e, ssize_t (*call)(struct end *e))
{
	*w = (struct waiter){ .e = e, .call = call };
	if (pthread_create(&w->thread, NULL, waiter_thread, w))
		_exit(6);
	while (!__atomic_load_n(&w->tid, __ATOMIC_SEQ_CST))
		nap();
	await_waiter(w);
}

void await_waiter(struct waiter *w)
{
	await_sleeps(w->e, getpid(), w->tid, &w->done, 1);
}

ssize_t waiter_end(struct waiter *w)
{
	pthread_join(w->thread, NULL);
	return w->result;
}

ssize_t recv_1(struct end *e)
{
	char c;

	return get(e, &c, 1);
}
