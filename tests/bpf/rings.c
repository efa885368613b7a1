/* SPDX-License-Identifier: Apache-2.0 */
/* Who sends over io_uring is not captured: who that is, and who is not meant. */
#include <linux/io_uring.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "bpf/line.h"
#include "supervisor/netns.h"

#define ENTRIES 512

/* Neither is root's; the three have a bit each. */
#define USER 1
#define OTHER 2

struct ring {
	int fd;
	unsigned int *head, *tail, *array;
	unsigned int mask;
	char *sqes;
	size_t size; /* of an entry */
	bool is_polled;
};

static int ring_open(struct ring *ring, unsigned int flags)
{
	struct io_uring_params p = { .flags = flags };
	char *map;

	ring->fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &p);
	if (ring->fd < 0)
		return -1;
	ring->size = flags & IORING_SETUP_SQE128 ? 128 : 64;
	ring->is_polled = flags & IORING_SETUP_SQPOLL;
	map = mmap(NULL, p.sq_off.array + p.sq_entries * sizeof(unsigned int),
		   PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, IORING_OFF_SQ_RING);
	ring->sqes = mmap(NULL, p.sq_entries * ring->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			  ring->fd, IORING_OFF_SQES);
	MUST(map == MAP_FAILED || ring->sqes == MAP_FAILED ? -1 : 0);
	ring->head = (void *)(map + p.sq_off.head);
	ring->tail = (void *)(map + p.sq_off.tail);
	ring->array = (void *)(map + p.sq_off.array);
	ring->mask = p.sq_entries - 1;
	return 0;
}

/* One request, until the kernel has taken it from the ring; of its result nothing is said. */
static void submit(struct ring *ring, uint8_t op, int fd)
{
	unsigned int tail = *ring->tail, i = tail & ring->mask;
	struct io_uring_sqe *sqe = (void *)(ring->sqes + i * ring->size);
	static char byte;

	memset(sqe, 0, ring->size);
	sqe->opcode = op;
	sqe->fd = fd;
	sqe->addr = (uintptr_t)&byte;
	sqe->len = 1;
	ring->array[i] = i;
	__atomic_store_n(ring->tail, tail + 1, __ATOMIC_RELEASE);
	MUST(syscall(SYS_io_uring_enter, ring->fd, 1, 0,
		     ring->is_polled ? IORING_ENTER_SQ_WAKEUP : 0, NULL, 0));
	WAIT_UNTIL(__atomic_load_n(ring->head, __ATOMIC_ACQUIRE) == tail + 1);
}

/* A ring of a new process, with one request; both stay open. */
static struct ring use_ring(unsigned int flags, uint8_t op)
{
	struct ring ring;
	int fds[2];

	MUST(ring_open(&ring, flags));
	tcp_pair(fds);
	submit(&ring, op, fds[0]);
	return ring;
}

static void reads(void)
{
	struct ring ring = use_ring(0, IORING_OP_READ);
	int file = (int)MUST(open("/dev/null", O_RDWR | O_CLOEXEC));

	submit(&ring, IORING_OP_WRITE, file);
	submit(&ring, IORING_OP_FSYNC, file);
}

static void sends(void)
{
	use_ring(0, IORING_OP_SEND);
}

static void receives(void)
{
	use_ring(0, IORING_OP_RECV);
}

static void receives_messages(void)
{
	use_ring(0, IORING_OP_RECVMSG);
}

static void accepts(void)
{
	use_ring(0, IORING_OP_ACCEPT);
}

static void connects(void)
{
	use_ring(0, IORING_OP_CONNECT);
}

static void sends_message(void)
{
	use_ring(0, IORING_OP_SENDMSG);
}

static void sends_zc(void)
{
	use_ring(0, IORING_OP_SEND_ZC);
}

static void sends_message_zc(void)
{
	use_ring(0, IORING_OP_SENDMSG_ZC);
}

static void sends_long_ago(void)
{
	struct ring ring = use_ring(0, IORING_OP_NOP);

	for (int i = 0; i < 400; i++)
		submit(&ring, IORING_OP_NOP, -1);
	submit(&ring, IORING_OP_SEND_ZC, -1);
	/* the last of these are in the ring's first entries */
	for (int i = 0; i < 200; i++)
		submit(&ring, IORING_OP_NOP, -1);
}

static void has_other_rings(void)
{
	use_ring(0, IORING_OP_SEND_ZC);
	for (int i = 0; i < 20; i++)
		use_ring(0, IORING_OP_READ);
}

static void is_polled(void)
{
	use_ring(IORING_SETUP_SQPOLL, IORING_OP_SEND_ZC);
}

static void has_long_entries(void)
{
	struct ring ring = use_ring(IORING_SETUP_SQE128, IORING_OP_NOP);

	submit(&ring, IORING_OP_SEND_ZC, -1);
}

static void is_user(void)
{
	MUST(setresuid(USER, USER, USER));
	sends_zc();
}

static void was_root(void)
{
	sends_zc();
	MUST(setresuid(USER, USER, 0));
}

static void has_dropped_ids(void)
{
	sends_zc();
	MUST(setresuid(USER, USER, USER));
}

/* Its sockets stay where they were made. */
static void has_moved(void)
{
	struct ring ring;
	int fds[2];

	tcp_pair(fds);
	MUST(unshare(CLONE_NEWNET));
	MUST(ring_open(&ring, 0));
	submit(&ring, IORING_OP_SEND_ZC, fds[0]);
}

static void is_elsewhere(void)
{
	struct error err;

	MUST(unshare(CLONE_NEWNET));
	MUST(netns_lo_up(&err) < 0 ? -1 : 0);
	sends_zc();
}

/* Has a child of ours do that. Returns it once it is done; it stays until stop(). */
static pid_t start(void (*use)(void))
{
	int fds[2];
	pid_t pid;
	char c;

	MUST(pipe2(fds, O_CLOEXEC));
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		use();
		MUST(write(fds[1], "", 1));
		pause();
		_exit(0);
	}
	close(fds[1]);
	MUST(read(fds[0], &c, 1) == 1 ? 0 : -1);
	close(fds[0]);
	return pid;
}

static void stop(pid_t pid)
{
	MUST(kill(pid, SIGKILL));
	MUST(waitpid(pid, NULL, 0));
}

static uint64_t users(struct shunt *shunt)
{
	struct shunt_tools tools = shunt_tools(shunt);
	uint64_t found = UINT64_MAX;

	MUST(shunt_rings(&tools, &found) < 0 ? -1 : 0);
	return found;
}

/* What becomes of a sender of @uid; one that is found is captured in two steps. */
static int captured(struct shunt *shunt, uid_t uid)
{
	struct shunt_tools tools = shunt_tools(shunt);
	struct bench b;
	int r;

	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	MUST(fchown(C(&b), uid, (gid_t)-1));
	r = shunt_capture(&tools, &b.pair.down, users(shunt));
	end(&b);
	return r == SHUNT_FOUND ? SHUNT_CAPTURED : r;
}

static void test(struct shunt *shunt, void (*use)(void), int root, int user, const char *what)
{
	pid_t pid = start(use);
	bool both = captured(shunt, 0) == root && captured(shunt, USER) == user;

	tap_ok(both && captured(shunt, OTHER) == SHUNT_CAPTURED, what);
	stop(pid);
}

/* The thread that polls ends with the process that made the ring, whoever else has it. */
static void test_orphan(void)
{
	struct ring *ring = mmap(NULL, sizeof(*ring), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int up[2], down[2], error = 0;
	pid_t creator, pid;
	char c;

	MUST(pipe2(up, O_CLOEXEC));
	MUST(pipe2(down, O_CLOEXEC));
	creator = (pid_t)MUST(fork());
	if (creator == 0) {
		MUST(ring_open(ring, IORING_SETUP_SQPOLL));
		pid = (pid_t)MUST(fork());
		if (pid > 0)
			_exit(0);
		close(down[1]);
		/* until the test has reaped who made it */
		MUST(read(down[0], &c, 1) == 0 ? 0 : -1);
		if (syscall(SYS_io_uring_enter, ring->fd, 1, 0, IORING_ENTER_SQ_WAKEUP, NULL,
			    0) < 0)
			error = errno;
		MUST(write(up[1], &error, sizeof(error)));
		_exit(0);
	}
	close(up[1]);
	MUST(waitpid(creator, NULL, 0));
	close(down[1]);
	MUST(read(up[0], &error, sizeof(error)) == sizeof(error) ? 0 : -1);
	tap_is(error, EOWNERDEAD, "a polled ring carries nothing once who made it has ended");
	close(up[0]);
	close(down[0]);
	munmap(ring, sizeof(*ring));
}

static void test_senders(struct shunt *shunt)
{
	const int in = SHUNT_CAPTURED, out = SHUNT_BY_RING;

	tap_ok(users(shunt) == 0, "where nobody has a ring, nobody sends over one");
	test(shunt, reads, in, in, "who reads and writes over a ring is captured");
	test(shunt, receives, out, in, "who receives over a ring is not: it may send over it next");
	test(shunt, receives_messages, out, in, "nor who receives messages over a ring");
	test(shunt, accepts, out, in, "nor who accepts");
	test(shunt, connects, out, in, "nor who connects");
	test(shunt, sends, out, in, "a sender whose user sends over a ring is not captured");
	test(shunt, sends_message, out, in, "nor one whose user sends messages over a ring");
	test(shunt, sends_zc, out, in, "nor one whose user sends by send_zc");
	test(shunt, sends_message_zc, out, in, "nor by sendmsg_zc");
	test(shunt, sends_long_ago, out, in, "200 other requests do not hide a send");
	test(shunt, has_other_rings, out, in, "nor do 20 other rings");
	test(shunt, is_polled, out, in, "a ring that the kernel polls is looked at");
	test(shunt, has_long_entries, out, in, "a ring with entries of 128 bytes is looked at");
	test(shunt, is_user, in, out, "another user's senders are captured");
	test(shunt, was_root, out, out, "a saved uid counts as well");
	test(shunt, has_dropped_ids, out, out, "ids that were dropped do, while a socket has them");
	test(shunt, has_moved, out, in, "a socket of here counts, wherever its process is");
	test(shunt, is_elsewhere, in, in, "rings in another network namespace do not count");
	tap_ok(users(shunt) == 0, "with their processes, the rings are gone");
}

static bool is_on(void)
{
	struct ring ring;
	bool on = ring_open(&ring, 0) == 0;

	if (on)
		close(ring.fd);
	return on;
}

int main(void)
{
	struct shunt *shunt;
	struct error err;

	/* who else sends over a ring does so elsewhere */
	if (unshare(CLONE_NEWNET) < 0 || netns_lo_up(&err) < 0 || shunt_open(&shunt, &err) < 0)
		tap_skip_all("it takes root and BPF");
	if (!is_on())
		tap_skip_all("io_uring is switched off");
	test_orphan();
	if (tap_ok(shunt_tools(shunt).rings_fd >= 0, "the program that looks at rings loads"))
		test_senders(shunt);
	shunt_close(shunt);
	return tap_end();
}
