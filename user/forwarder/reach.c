/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/reach.h"

#include <errno.h>
#include <stdlib.h>

#include "base/addr.h"
#include "base/error.h"
#include "forwarder/forwarder.h"

static uint8_t bit_of(sa_family_t family)
{
	return family == AF_INET6 ? 2 : 1;
}

static bool is_out_of_reach(int error)
{
	return error == EHOSTUNREACH || error == ENETUNREACH || error == ENETDOWN ||
	       error == EHOSTDOWN || error == ETIMEDOUT;
}

bool reach_failed(struct forwarder *f, sa_family_t family, int error)
{
	const struct addr *target = family == AF_INET6 ? &f->target6 : &f->target4;
	char text[ADDR_TEXT_MAX];

	error = abs(error);
	if (error == ECONNREFUSED)
		reach_worked(f, family);
	if (!is_out_of_reach(error))
		return false;
	if (!target->family || (f->reach.lost & bit_of(family)) || !log_allowed(&f->reach.limit))
		return true;
	f->reach.lost |= bit_of(family);
	log_warn("connect to %s in the container: %s: its clients are reset; does the container "
		 "have another address now?", addr_format(target, text), errno_text(error));
	return true;
}

void reach_worked(struct forwarder *f, sa_family_t family)
{
	f->reach.lost &= (uint8_t)~bit_of(family);
}
