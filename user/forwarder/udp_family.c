/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/udp_family.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/timer.h"
#include "forwarder/forwarder.h"
#include "forwarder/udp_kept.h"

/* A client that goes on sending to a closed port costs a socket no more often. */
#define SWITCH_MS 1000

static unsigned int bit(const struct udp_session *s)
{
	return s->family == AF_INET6 ? 2 : 1;
}

static void forget_kept(struct udp_listener *l)
{
	free(l->family_of.kept);
	l->family_of.kept = NULL;
}

void udp_family_end(struct udp_session *s)
{
	struct udp_kept *kept = s->listener->family_of.kept;

	if (kept && kept->session == s)
		forget_kept(s->listener);
}

void udp_family_keep(struct forwarder *f, struct udp_session *s, int first)
{
	struct udp_family *u = &s->listener->family_of;
	const struct udp_message *m = &f->udp.batch.messages[first];
	size_t len = m->segment && m->segment < m->len ? m->segment : m->len;

	if (!(u->answered & bit(s)) && !u->kept && !s->is_switched && s->state == UDP_UNREPLIED &&
	    family_other(f, s->family))
		u->kept = udp_kept_new(s, f->udp.batch.data[first], len);
}

void udp_family_answered(struct udp_session *s)
{
	struct udp_family *u = &s->listener->family_of;

	if (u->answered & bit(s))
		return;
	u->answered |= bit(s);
	udp_family_end(s);
	if (s->is_switched)
		family_note_bad(&u->note, s->family == AF_INET6 ? AF_INET : AF_INET6, false,
				s->listener->container_port);
}

/* Returns a socket that is connected to @to, at any port: udp_peer.h; or -errno. */
static int open_other(struct forwarder *f, const struct addr *to)
{
	int fd = connector_take(&f->connector, to, true), r;

	if (fd < 0)
		return fd;
	r = udp_peer_begin(fd, to);
	if (r >= 0)
		return fd;
	fd_close(fd);
	return r;
}

static bool send_kept(struct forwarder *f, struct udp_session *s, const struct udp_kept *kept)
{
	const struct addr *target = s->family == AF_INET6 ? &f->target6 : &f->target4;
	struct sockaddr_storage to;
	socklen_t len = addr_to_sockaddr(target, s->listener->container_port, &to);

	return sendto(s->source.fd, kept->data, kept->len, MSG_DONTWAIT | MSG_NOSIGNAL,
		      (struct sockaddr *)&to, len) >= 0;
}

static bool switch_socket(struct forwarder *f, struct udp_session *s)
{
	const struct addr *other = family_other(f, s->family);
	loop_fn *fn = s->source.fn;
	uint64_t now = timer_now();
	int fd;

	if (!other || s->is_held || s->state != UDP_UNREPLIED ||
	    (s->is_switched && now < s->switched_at + SWITCH_MS))
		return false;
	fd = open_other(f, other);
	if (fd < 0)
		return false;
	loop_forget(&s->source);
	fd_close(s->source.fd);
	s->family = (uint8_t)other->family;
	s->peer = (struct udp_peer){ 0 };
	s->is_switched = !s->is_switched;
	s->switched_at = now;
	s->largest_up = s->largest_down = UINT16_MAX;
	if (loop_add(&f->loop, &s->source, fd, EPOLLIN, fn) < 0) {
		/* it hears nothing until it ends, idle */
		s->source.fd = fd;
		return false;
	}
	return true;
}

bool udp_family_refused(struct forwarder *f, struct udp_session *s)
{
	struct udp_family *u = &s->listener->family_of;
	struct udp_kept *kept = u->kept && u->kept->session == s ? u->kept : NULL;
	bool is_sent = false;

	u->answered &= ~bit(s);
	/* sent by the other one, too, or not to be: this session may keep the next one */
	u->kept = kept ? NULL : u->kept;
	if (switch_socket(f, s) && s->is_switched && kept)
		is_sent = send_kept(f, s, kept);
	free(kept);
	return is_sent;
}
