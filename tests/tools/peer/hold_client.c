/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens connections and keeps them. With --control it does what it is told on
 * stdin, one command at a time, and answers each with one line:
 *
 *   open N    opens N more                  opened N, failed M
 *   ping MS   sends a byte on each that     answered N, silent M
 *             owes no answer, and waits
 *             until all have answered or
 *             none has for MS
 *   close N   closes the N oldest           closed N
 *   status    how they stand                open: N, eof: M, reset: K
 *
 * The end of stdin closes them all.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"
#include "modes.h"
#include "sock.h"
#include "util.h"

/* No more than this on their way at once: a listener's queue holds them. */
#define OPENING_MAX 256
#define COMMANDS_MAX 16

struct conn {
	struct task task;
	struct client *client;
	bool is_connected, is_counted; /* counted: its opening is over */
	bool owes; /* a ping was sent, no answer came yet */
	int failure; /* errno of the connect */
	TAILQ_ENTRY(conn) link;
};

struct client {
	struct task commander; /* works off the commands; has no fd */
	const struct options *o;
	struct driver driver;
	struct control control;
	TAILQ_HEAD(, conn) conns;
	char commands[COMMANDS_MAX][64];
	unsigned int n_commands;
	bool is_ending;

	unsigned int started; /* connections ever begun */
	unsigned int to_open, opening, opened, failed; /* of one command */
	int failure;
	unsigned int open, owing, eof, reset;
	unsigned int pinged;
	uint64_t quiet_ns, quiet_at; /* a ping gives up then; 0: no ping now */
	bool is_opening;
};

static void conn_counted(struct conn *c, int failure)
{
	if (c->is_counted)
		return;
	c->is_counted = true;
	c->client->opening--;
	if (failure) {
		c->client->failed++;
		c->client->failure = failure;
	} else {
		c->client->opened++;
	}
}

static void conn_forget(struct conn *c)
{
	struct client *s = c->client;

	s->owing -= c->owes;
	c->owes = false;
	s->open -= c->is_connected;
	TAILQ_REMOVE(&s->conns, c, link);
	close(c->task.fd);
	c->task.fd = -1;
	drive_kick(&s->commander);
}

/* Ends the connection for the reason of @e, 0 being EOF. Returns 0. */
static int conn_lost(struct conn *c, int e)
{
	if (c->is_connected) {
		c->client->eof += e == 0;
		c->client->reset += e != 0;
	}
	conn_counted(c, e ? e : ENOTCONN);
	conn_forget(c);
	return 0;
}

static bool conn_ping(struct conn *c)
{
	if (c->owes || !c->is_connected)
		return true;
	if (send(c->task.fd, "p", 1, MSG_NOSIGNAL) != 1)
		return false;
	c->owes = true;
	c->client->owing++;
	return true;
}

static int conn_established(struct conn *c)
{
	socklen_t len = sizeof(c->failure);
	struct sockaddr_storage ss;
	socklen_t ss_len = sizeof(ss);

	if (getsockopt(c->task.fd, SOL_SOCKET, SO_ERROR, &c->failure, &len) < 0)
		die_errno("getsockopt SO_ERROR");
	if (c->failure)
		return conn_lost(c, c->failure);
	if (getpeername(c->task.fd, (struct sockaddr *)&ss, &ss_len) < 0)
		return -EAGAIN; /* the edge was for something else */
	c->is_connected = true;
	c->client->open++;
	if (!c->client->o->ping)
		conn_counted(c, 0);
	else if (!conn_ping(c))
		return conn_lost(c, errno);
	drive_kick(&c->client->commander);
	return 1;
}

static int conn_step(struct task *task)
{
	struct conn *c = (struct conn *)task;
	struct client *s = c->client;
	char buf[16];
	ssize_t n;

	if (task->fd < 0) /* closed by a command */
		return 0;
	if (!c->is_connected)
		return conn_established(c);
	n = recv(task->fd, buf, sizeof(buf), 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n <= 0)
		return conn_lost(c, n ? errno : 0);
	if (c->owes) {
		c->owes = false;
		s->owing--;
		if (s->quiet_at)
			s->quiet_at = now_ns() + s->quiet_ns;
	}
	conn_counted(c, 0);
	drive_kick(&s->commander);
	return 1;
}

static void conn_done(struct task *task)
{
	free(task);
}

static void conn_open(struct client *s)
{
	struct conn *c = xalloc(1, sizeof(*c));
	int r;

	c->client = s;
	c->task = (struct task){
		.fd = sock_open(s->o, s->started, IO_EPOLL, 0),
		.step = conn_step,
		.done = conn_done,
	};
	r = sock_connect(c->task.fd, s->o, s->started++);
	s->to_open--;
	s->opening++;
	TAILQ_INSERT_TAIL(&s->conns, c, link);
	if (r < 0 && r != -EINPROGRESS) {
		conn_lost(c, -r);
		free(c);
		return;
	}
	drive_add(&s->driver, &c->task);
}

static void open_begin(struct client *s, unsigned int n)
{
	s->to_open = n;
	s->opened = s->failed = 0;
	s->is_opening = true;
}

/* Returns true when the command is done. */
static bool open_go_on(struct client *s, const char *word)
{
	while (s->to_open && s->opening < OPENING_MAX)
		conn_open(s);
	if (s->to_open || s->opening)
		return false;
	s->is_opening = false;
	if (s->failed)
		say("%s %u, failed %u: %s", word, s->opened, s->failed,
		    errno_name(s->failure));
	else
		say("%s %u", word, s->opened);
	return true;
}

static void ping_begin(struct client *s, unsigned int ms)
{
	struct conn *c;

	s->quiet_ns = ms * 1000000ull;
	s->quiet_at = now_ns() + s->quiet_ns;
	s->pinged = s->open;
	TAILQ_FOREACH(c, &s->conns, link)
		if (!conn_ping(c))
			drive_kick(&c->task); /* its recv() tells why */
}

static bool ping_go_on(struct client *s)
{
	if (s->owing && now_ns() < s->quiet_at) {
		drive_wake_at(&s->commander, s->quiet_at);
		return false;
	}
	drive_wake_at(&s->commander, 0);
	s->quiet_at = 0;
	say("answered %u, silent %u", s->open - s->owing, s->owing);
	return true;
}

static void close_some(struct client *s, unsigned int n)
{
	unsigned int closed = 0;
	struct conn *c;

	for (; closed < n && (c = TAILQ_FIRST(&s->conns)); closed++) {
		conn_forget(c);
		drive_kick(&c->task);
	}
	say("closed %u", closed);
}

static void command(struct client *s, const char *line)
{
	unsigned int n = 0;
	char word[16];

	if (sscanf(line, "%15s %u", word, &n) < 1)
		return;
	if (strcmp(word, "open") == 0)
		open_begin(s, n);
	else if (strcmp(word, "ping") == 0)
		ping_begin(s, n);
	else if (strcmp(word, "close") == 0)
		close_some(s, n);
	else if (strcmp(word, "status") == 0)
		say("open: %u, eof: %u, reset: %u", s->open, s->eof, s->reset);
	else
		die("stdin says \"%s\": no such command", line);
}

static int commander_step(struct task *task)
{
	struct client *s = (struct client *)task;

	if (s->is_opening && !open_go_on(s, s->started == s->o->connections ? "holding" : "opened"))
		return -EAGAIN;
	if (s->quiet_at && !ping_go_on(s))
		return -EAGAIN;
	if (s->n_commands) {
		command(s, s->commands[0]);
		s->n_commands--;
		memmove(s->commands[0], s->commands[1], sizeof(s->commands[0]) * s->n_commands);
		return 1;
	}
	if (s->is_ending)
		drive_stop(&s->driver);
	return -EAGAIN;
}

static void control_line(const char *line, void *arg)
{
	struct client *s = arg;

	if (s->n_commands == COMMANDS_MAX)
		die("more than %d commands wait", COMMANDS_MAX);
	if (snprintf(s->commands[s->n_commands++], sizeof(s->commands[0]), "%s", line) >=
	    (int)sizeof(s->commands[0]))
		die("the command is too long: %s", line);
	drive_kick(&s->commander);
}

static void control_eof(void *arg)
{
	struct client *s = arg;

	s->is_ending = true;
	drive_kick(&s->commander);
}

int hold_client(const struct options *o)
{
	struct client s = { .o = o };

	TAILQ_INIT(&s.conns);
	drive_init(&s.driver, IO_EPOLL);
	s.commander = (struct task){ .fd = -1, .step = commander_step };
	open_begin(&s, o->connections);
	drive_add(&s.driver, &s.commander);
	s.control = (struct control){ .line = control_line, .eof = control_eof, .arg = &s };
	s.is_ending = !o->control;
	if (o->control)
		control_add(&s.driver, &s.control);
	watchdog_expect("connections, or a command on stdin");
	drive_run(&s.driver);
	say("open: %u, eof: %u, reset: %u", s.open, s.eof, s.reset);
	return 0;
}
