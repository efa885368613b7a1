/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When an evicted sender is plain TCP again, and whether all that it had begun
 * to redirect has arrived: what user/forwarder/one_way.c stands on.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/tcp.h"
#include "bpf/line.h"

#define PAGE 4096

/* A page that is not there until settle_page(): who touches it waits. */
static int uffd;

static char *missing_page(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .range.len = PAGE, .mode = UFFDIO_REGISTER_MODE_MISSING };
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	MUST(uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC));
	MUST(ioctl(uffd, UFFDIO_API, &api));
	range.range.start = (uintptr_t)page;
	MUST(ioctl(uffd, UFFDIO_REGISTER, &range));
	return page;
}

static void wait_for_fault(void)
{
	struct uffd_msg message;

	MUST(read(uffd, &message, sizeof(message)));
}

static void settle_page(char *page)
{
	struct uffdio_zeropage zero = { .range = { (uintptr_t)page, PAGE } };

	MUST(ioctl(uffd, UFFDIO_ZEROPAGE, &zero));
}

struct sending {
	int fd;
	char *page;
};

static void *send_page(void *argument)
{
	const struct sending *s = argument;

	MUST(send(s->fd, s->page, PAGE, MSG_DONTWAIT));
	return NULL;
}

static void test_left(struct shunt *shunt)
{
	struct sending sending;
	pthread_t thread;
	struct bench b;

	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "captured");
	tap_ok(!shunt_has_left(shunt, &b.pair.down), "it has not left");
	sending = (struct sending){ C(&b), missing_page() };
	MUST(pthread_create(&thread, NULL, send_page, &sending) ? -1 : 0);
	wait_for_fault();
	shunt_watch(shunt, &b.pair.down, false);
	shunt_evict(shunt, &b.pair.down);
	tap_ok(!shunt_has_left(shunt, &b.pair.down), "evicted, but while it sends it has not left");
	settle_page(sending.page);
	pthread_join(thread, NULL);
	tap_ok(shunt_has_left(shunt, &b.pair.down), "then it has");
	tap_is(shunt_begun(shunt, &b.pair.down), 0, "its bytes took its own leg: watching had ended");
	munmap(sending.page, PAGE);
	close(uffd);
	end(&b);
}

static void test_begun(struct shunt *shunt)
{
	uint64_t base;
	struct bench b;

	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "captured");
	base = tcp_written(A(&b));
	tap_ok(say(C(&b), "direct") && waits_for(D(&b), "direct"), "redirected");
	tap_is(shunt_begun(shunt, &b.pair.down), 6, "six bytes were begun");
	tap_is((int)(tcp_written(A(&b)) - base), 6, "and are in the target");
	MUST(send(A(&b), "own", 3, 0));
	tap_is((int)(tcp_written(A(&b)) - base), 9, "with three that were written there");
	*shunt_pending(shunt, &b.pair.down) = 1;
	tap_ok(say(C(&b), "relayed") && waits_for(B(&b), "relayed"), "by its own leg");
	tap_is(shunt_begun(shunt, &b.pair.down), 6, "nothing more was begun");
	tap_is((int)(tcp_written(A(&b)) - base), 9, "and nothing is in the target");
	end(&b);
}

int main(void)
{
	struct shunt *shunt;
	struct error err;

	if (shunt_open(&shunt, &err) < 0)
		tap_skip_all(err.text);
	test_left(shunt);
	test_begun(shunt);
	shunt_close(shunt);
	return tap_end();
}
