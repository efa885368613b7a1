/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/connector.h"

#include <errno.h>

#include "base/fd.h"
#include "base/log.h"

static struct connector_shelf *shelf_of(struct connector *c, sa_family_t family, bool udp)
{
	if (udp)
		return family == AF_INET6 ? &c->udp6 : &c->udp4;
	return family == AF_INET6 ? &c->v6 : &c->v4;
}

/* Sockets that came: those for which there is no room are left in @fds. */
static void hold(struct connector_shelf *shelf, int *fds, size_t n)
{
	for (size_t i = 0; i < n && shelf->n + shelf->held < CONNECTOR_MAX; i++) {
		shelf->fds[shelf->n + shelf->held++] = fds[i];
		fds[i] = -1;
	}
}

static void on_released(struct connector *c, sa_family_t family, bool udp, int error)
{
	struct connector_shelf *shelf = shelf_of(c, family, udp);

	/* none although none failed: this process has no free descriptors */
	if (shelf->held == 0 && error == 0)
		error = -EMFILE;
	shelf->n += shelf->held;
	shelf->held = 0;
	shelf->asked = false;
	c->refilled(c, family, udp, shelf->n ? 0 : error);
}

static void on_sockets(struct connector *c, const struct connector_reply *reply, int *fds,
		       size_t n)
{
	struct connector_shelf *shelf = shelf_of(c, reply->family, reply->udp);

	if (!shelf->asked)
		return;
	if (reply->released)
		on_released(c, reply->family, reply->udp, reply->result);
	else
		hold(shelf, fds, n);
}

static void on_walker(struct connector *c, int *fd)
{
	if (!c->walkers_due)
		return;
	c->walkers_due--;
	c->walker(c, *fd);
	*fd = -1;
}

static unsigned int *gauges_due(struct connector *c, sa_family_t family)
{
	return family == AF_INET6 ? &c->gauges6_due : &c->gauges4_due;
}

static void on_gauge(struct connector *c, sa_family_t family, int *fd)
{
	unsigned int *due = gauges_due(c, family);

	/* of several the last one is for the target of now */
	if (!*due || --*due || *fd < 0)
		return;
	c->gauge(c, family, *fd);
	*fd = -1;
}

/* What is taken over of @fds, which has room for CONNECTOR_BATCH, is -1 afterwards. */
static void accept_reply(struct connector *c, const struct connector_reply *reply, int *fds,
			 size_t n)
{
	switch (reply->type) {
	case CONNECTOR_SOCKETS:
		on_sockets(c, reply, fds, n);
		break;
	case CONNECTOR_CAPTURE:
		c->captured(c, reply->flow, reply->result);
		break;
	case CONNECTOR_WALKER:
		on_walker(c, fds);
		break;
	case CONNECTOR_GAUGE:
		on_gauge(c, reply->family, fds);
		break;
	}
}

static void on_reply(struct loop_source *source, uint32_t events)
{
	struct connector *c = (struct connector *)source;
	struct connector_reply reply = { 0 };
	char data[sizeof(reply)];
	int fds[CONNECTOR_BATCH] = { -1 };
	size_t n = 0;
	ssize_t len;
	int r;

	len = fd_recv(source->fd, data, sizeof(data), fds, CONNECTOR_BATCH, &n);
	if (len == -EAGAIN)
		return;
	r = len < 0 ? (int)len : connector_reply_decode(data, (size_t)len, n, &reply);
	if (r >= 0)
		accept_reply(c, &reply, fds, n);
	for (size_t i = 0; i < n; i++)
		fd_close(fds[i]);
	if (r >= 0)
		return;
	/* at end of file the supervisor finds the netns child ended, and reports that */
	if (len != 0 && len != -ECONNRESET)
		log_error("a message of the netns child: %s; no new connections are accepted",
			  errno_text(r));
	loop_del(source);
	/* it must not wait for room for replies that nobody reads */
	shutdown(source->fd, SHUT_RDWR);
	c->lost(c);
}

int connector_init(struct connector *c, struct loop *loop, int fd)
{
	c->source.fd = fd;
	return c->make ? 0 : loop_add(loop, &c->source, fd, EPOLLIN, on_reply);
}

static void shelf_clear(struct connector_shelf *shelf)
{
	while (shelf->n + shelf->held)
		fd_close(shelf->fds[shelf->held ? shelf->n + --shelf->held : --shelf->n]);
}

void connector_done(struct connector *c)
{
	shelf_clear(&c->v4);
	shelf_clear(&c->v6);
	shelf_clear(&c->udp4);
	shelf_clear(&c->udp6);
	loop_del(&c->source);
	c->source.fd = fd_close(c->source.fd);
}

/*
 * They cost no round trip: one for TCP, and for UDP as many as a batch of
 * datagrams may have new clients.
 */
static void fill_here(struct connector *c, struct connector_shelf *shelf,
		      sa_family_t family, bool udp)
{
	unsigned int wanted = udp ? CONNECTOR_BATCH : 1;
	int fd = -EAGAIN;

	if (shelf->n > (udp ? CONNECTOR_LOW : 0))
		return;
	while (shelf->n < wanted) {
		fd = c->make(udp, family);
		if (fd < 0)
			break;
		shelf->fds[shelf->n++] = fd;
	}
	if (!shelf->n)
		c->refilled(c, family, udp, fd);
}

void connector_fill(struct connector *c, const struct addr *target, bool udp)
{
	struct connector_shelf *shelf = shelf_of(c, target->family, udp);
	struct connector_request request = {
		.type = CONNECTOR_SOCKETS,
		.udp = udp,
		.target = *target,
		.count = CONNECTOR_BATCH,
	};

	if (c->make) {
		fill_here(c, shelf, target->family, udp);
		return;
	}
	if (shelf->asked || shelf->n > CONNECTOR_LOW)
		return;
	/* full or gone: the next taker asks again, the loop sees the end */
	shelf->asked = fd_send(c->source.fd, &request, sizeof(request), NULL, 0) == 0;
}

void connector_forget(struct connector *c, sa_family_t family, bool udp)
{
	struct connector_shelf *shelf = shelf_of(c, family, udp);

	/* those that are held are on their way to be used, and work as well */
	while (shelf->n) {
		fd_close(shelf->fds[--shelf->n]);
		if (shelf->held)
			shelf->fds[shelf->n] = shelf->fds[shelf->n + shelf->held];
	}
}

unsigned int connector_has(const struct connector *c, const struct addr *target, bool udp)
{
	return shelf_of((struct connector *)c, target->family, udp)->n;
}

int connector_take(struct connector *c, const struct addr *target, bool udp)
{
	struct connector_shelf *shelf = shelf_of(c, target->family, udp);
	int fd;

	if (!shelf->n)
		return -EAGAIN;
	fd = shelf->fds[--shelf->n];
	/* close the gap to those that are held */
	if (shelf->held)
		shelf->fds[shelf->n] = shelf->fds[shelf->n + shelf->held];
	connector_fill(c, target, udp);
	return fd;
}

int connector_set_tools(struct connector *c, const struct shunt_tools *tools)
{
	struct connector_request request = { .type = CONNECTOR_TOOLS };
	int fds[] = { tools->capture_fd, tools->walk_fd, tools->rings_fd };

	if (c->make)
		return 0;
	return fd_send(c->source.fd, &request, sizeof(request), fds,
		       tools->rings_fd < 0 ? CONNECTOR_TOOLS_FDS - 1 : CONNECTOR_TOOLS_FDS);
}

int connector_walker(struct connector *c)
{
	struct connector_request request = { .type = CONNECTOR_WALKER };
	int r = fd_send(c->source.fd, &request, sizeof(request), NULL, 0);

	c->walkers_due += r >= 0;
	return r;
}

int connector_capture(struct connector *c, const struct shunt_side *side, uint64_t users)
{
	struct connector_request request = {
		.type = CONNECTOR_CAPTURE,
		.side = *side,
		.users = users,
	};

	return fd_send(c->source.fd, &request, sizeof(request), NULL, 0);
}

int connector_gauge(struct connector *c, const struct addr *target)
{
	struct connector_request request = { .type = CONNECTOR_GAUGE, .target = *target };
	int r = fd_send(c->source.fd, &request, sizeof(request), NULL, 0);

	*gauges_due(c, target->family) += r >= 0;
	return r;
}
