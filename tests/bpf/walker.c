/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over all sockets takes the lock of each (bpf_iter_tcp_seq_show),
 * and recv(2) keeps its socket's while a page of its buffer is fetched: a
 * userfaultfd has that take as long as it likes, as a user's own FUSE does.
 */
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "bpf/line.h"
#include "datapath/walker.h"
#include "supervisor/netns.h"

#define PAGE 4096

struct holder {
	int fds[2]; /* a connection, one byte of which waits to be read */
	int uffd;
	char *page;
	pthread_t thread;
};

static void *hold(void *context)
{
	struct holder *h = context;

	MUST(recv(h->fds[0], h->page, 1, 0));
	return NULL;
}

/* From here on somebody has a socket's lock. */
static void holder_start(struct holder *h)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffd_msg event;

	tcp_pair(h->fds);
	MUST(send(h->fds[1], "x", 1, 0));
	wait_for(h->fds[0], POLLIN);
	h->page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	h->uffd = (int)MUST(syscall(SYS_userfaultfd, O_CLOEXEC));
	MUST(ioctl(h->uffd, UFFDIO_API, &api));
	range.range.start = (unsigned long)h->page;
	range.range.len = PAGE;
	MUST(ioctl(h->uffd, UFFDIO_REGISTER, &range));
	MUST(-pthread_create(&h->thread, NULL, hold, h));
	MUST(read(h->uffd, &event, sizeof(event)));
	tap_is(event.event, UFFD_EVENT_PAGEFAULT, "a receiver waits for a page, its socket locked");
}

static void holder_end(struct holder *h)
{
	struct uffdio_zeropage zero = { .range = { (unsigned long)h->page, PAGE } };

	MUST(ioctl(h->uffd, UFFDIO_ZEROPAGE, &zero));
	pthread_join(h->thread, NULL);
	close(h->uffd);
	close_pair(h->fds);
}

static bool hangs(pid_t pid)
{
	char path[64], line[512], *state;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f || !fgets(line, sizeof(line), f))
		*line = '\0';
	if (f)
		fclose(f);
	state = strrchr(line, ')');
	return state && state[2] == 'D';
}

static int walked(struct child *w)
{
	struct walker_answer answer;

	MUST(walker_ask(w->fd, WALKER_SOCKETS));
	wait_for(w->fd, POLLIN);
	return walker_answer(w->fd, &answer) < 0 ? -EPIPE : answer.result;
}

static void test_held(struct shunt *shunt, const struct shunt_tools *tools)
{
	struct child w = { .fd = -1 };
	struct holder h;
	struct walker_answer answer;
	struct bench b;
	int status;
	pid_t pid;

	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "captured");
	holder_start(&h);
	MUST(walker_start(&w, tools));
	pid = w.pid;
	MUST(walker_ask(w.fd, WALKER_SOCKETS));
	WAIT_UNTIL(hangs(pid));
	tap_is(walker_answer(w.fd, &answer), -EAGAIN, "a walk waits for who has a socket's lock");
	tap_is(walker_ask(w.fd, WALKER_SOCKETS), 0, "another one may be asked for");
	tap_ok(say(C(&b), "meanwhile") && waits_for(D(&b), "meanwhile"),
	       "nobody else waits for that");
	child_end(&w);
	tap_ok(w.pid == 0 && hangs(pid), "its end is not waited for");
	holder_end(&h);
	MUST(waitpid(pid, &status, 0));
	tap_is(status, 0, "it ends when it can");
	end(&b);
}

static void test_walks(struct shunt *shunt, const struct shunt_tools *tools)
{
	struct child w = { .fd = -1 };
	struct walker_answer answer;
	struct bench b;

	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "captured");
	shunt_ask(shunt, &b.pair.down, SHUNT_ASK_SHRINK);
	MUST(walker_start(&w, tools));
	tap_ok(walked(&w) > 0, "a walk tells how long it took");
	tap_ok(!shunt_is_asked(shunt, &b.pair.down, SHUNT_ASK_SHRINK), "and has done what was asked");
	tap_is(get_option(C(&b), IPPROTO_TCP, TCP_NOTSENT_LOWAT), 147456, "a queue is shorter");
	tap_ok(walked(&w) > 0, "there can be many");
	MUST(kill(w.pid, SIGKILL));
	wait_for(w.fd, POLLIN);
	tap_is(walker_answer(w.fd, &answer), -EPIPE, "one that was killed is told");
	tap_is(walker_ask(w.fd, WALKER_SOCKETS), -EPIPE, "nor can it be asked");
	child_end(&w);
	tap_is(waitpid(-1, NULL, WNOHANG), -1, "and it is reaped");
	end(&b);
}

int main(void)
{
	struct shunt_tools tools;
	struct shunt *shunt;
	struct error err;

	/* who holds a lock here holds up the walks of this namespace only */
	if (unshare(CLONE_NEWNET) < 0 || netns_lo_up(&err) < 0 || shunt_open(&shunt, &err) < 0)
		tap_skip_all("it takes root and BPF");
	tools = shunt_tools(shunt);
	test_walks(shunt, &tools);
	test_held(shunt, &tools);
	shunt_close(shunt);
	return tap_end();
}
