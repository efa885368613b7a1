/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/udp_icmp.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "forwarder/forwarder.h"
#include "forwarder/icmp_child.h"

void udp_icmp_init(struct udp_icmp *icmp)
{
	*icmp = (struct udp_icmp){ .child.fd = -1 };
}

void udp_icmp_start(struct udp_icmp *icmp)
{
	int r = icmp_child_start(&icmp->child);

	if (r < 0 && r != -EPERM)
		log_warn("cannot start the process that tells UDP clients of closed ports: %s; "
			 "they wait for a reply in vain", errno_text(r));
}

void udp_icmp_done(struct udp_icmp *icmp)
{
	child_end(&icmp->child);
}

void udp_icmp_refused(struct forwarder *f, const struct udp_session *s)
{
	struct udp_icmp *icmp = &f->udp.icmp;
	struct icmp_refusal r = {
		.client = s->entry.key.client,
		.local = s->entry.key.local,
		.scope = s->entry.key.scope,
		.client_port = s->entry.key.client_port,
		.local_port = s->listener->port,
	};

	if (icmp->child.fd < 0 || !icmp_may_send(&icmp->rate, f->udp.now))
		return;
	if (IN6_IS_ADDR_UNSPECIFIED(&r.local))
		r.local = s->listener->address;
	if (send(icmp->child.fd, &r, sizeof(r), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ||
	    (errno != EPIPE && errno != ECONNRESET))
		return;
	log_warn("the process that tells UDP clients of closed ports is gone: they wait for a "
		 "reply in vain; restart portshunt to have it again");
	child_end(&icmp->child);
}
