/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/targets.h"

#include <errno.h>

#include "base/log.h"

static int ask(struct client *netns, bool is_running, const struct addr *beside,
	       struct netns_reply *reply, struct error *err)
{
	struct netns_request request = { .type = NETNS_OTHER, .beside = *beside };
	int r;

	if (!is_running)
		return netns_call(netns, &request, -1, reply, err);
	r = netns_ask(netns, &request, reply, err);
	if (r != -ETIMEDOUT)
		return r;
	/* what was asked for can be done all the same */
	log_warn("%s: the container's address of the other family is not known", err->text);
	*reply = (struct netns_reply){ 0 };
	return 0;
}

int targets_complete(struct client *netns, bool is_running, struct forwarder_request *start,
		     struct error *err)
{
	struct addr *t4 = &start->start.target4, *t6 = &start->start.target6;
	const struct addr *named = t4->family ? t4 : t6;
	struct addr *other = t4->family ? t6 : t4;
	char text[ADDR_TEXT_MAX], other_text[ADDR_TEXT_MAX];
	struct netns_reply reply = { 0 };
	int r;

	if (other->family || !named->family)
		return 0;
	r = ask(netns, is_running, named, &reply, err);
	/* also a reply that was not asked for: of the same family */
	if (r < 0 || !reply.address.family || reply.address.family == named->family)
		return r < 0 ? r : 0;
	start->start.first = (uint8_t)named->family;
	*other = reply.address;
	addr_format(named, text);
	addr_format(other, other_text);
	if (addr_is_loopback(named))
		log_debug("where %s refuses a connection, %s is tried", text, other_text);
	else
		log_info("where %s refuses a connection, %s of interface %s is tried", text,
			 other_text, reply.text);
	return 0;
}

void targets_named(sa_family_t first, struct addr *target4, struct addr *target6)
{
	if (first == AF_INET)
		target6->family = AF_UNSPEC;
	else if (first == AF_INET6)
		target4->family = AF_UNSPEC;
}
