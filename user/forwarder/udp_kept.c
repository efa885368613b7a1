/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/udp_kept.h"

#include <stdlib.h>
#include <string.h>

struct udp_kept *udp_kept_new(const struct udp_session *session, const void *data, size_t len)
{
	struct udp_kept *kept = malloc(sizeof(*kept) + len);

	if (!kept)
		return NULL;
	kept->session = session;
	kept->len = len;
	memcpy(kept->data, data, len);
	return kept;
}
