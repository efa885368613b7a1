/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/family_note.h"

#include "base/log.h"
#include "base/timer.h"
#include "forwarder/forwarder.h"

/* RFC 6555, section 4.2: a cache is to be flushed after some 10 minutes. */
#define NOTED_MS (10 * 60 * 1000)

static const struct addr *target_of(const struct forwarder *f, sa_family_t family)
{
	return family == AF_INET6 ? &f->target6 : &f->target4;
}

const struct addr *family_other(const struct forwarder *f, sa_family_t family)
{
	const struct addr *other = target_of(f, family == AF_INET6 ? AF_INET : AF_INET6);

	return other->family ? other : NULL;
}

/* To f->first, to the client's family, or to the one that there is. */
static const struct addr *first_target(const struct forwarder *f, sa_family_t family)
{
	if (!f->target4.family || !f->target6.family)
		return f->target4.family ? &f->target4 : &f->target6;
	return target_of(f, f->first ? f->first : family);
}

const struct addr *family_target(const struct forwarder *f, const struct family_note *note,
				 sa_family_t family)
{
	const struct addr *target = first_target(f, family);
	const struct addr *other = family_other(f, target->family);

	if (!other || note->bad != target->family || timer_now() >= note->until)
		return target;
	return other;
}

void family_note_bad(struct family_note *note, sa_family_t family, bool is_silent, uint16_t port)
{
	log_debug("IPv%c of the container %s port %u: new clients of it go by IPv%c",
		  family == AF_INET6 ? '6' : '4', is_silent ? "is silent at" : "refuses", port,
		  family == AF_INET6 ? '4' : '6');
	*note = (struct family_note){
		.bad = family,
		.is_silent = is_silent,
		.until = timer_now() + NOTED_MS,
	};
}
