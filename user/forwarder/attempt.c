/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/attempt.h"

#include <errno.h>
#include <stdlib.h>

#include "base/fd.h"
#include "forwarder/forwarder.h"

struct attempt *attempt_new(struct pair *pair, const struct addr *to, int fd, loop_fn *fn)
{
	struct forwarder *f = pair->forwarder;
	struct attempt *a = malloc(sizeof(*a));
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(to, pair->port, &ss);

	bounds_connect(&f->splice.bounds, fd);
	if (a && (connect(fd, (struct sockaddr *)&ss, len) == 0 || errno == EINPROGRESS)) {
		*a = (struct attempt){ .pair = pair, .family = to->family };
		if (loop_add(&f->loop, &a->source, fd, EPOLLOUT | EPOLLET, fn) >= 0)
			return a;
	}
	fd_close(fd);
	free(a);
	return NULL;
}

void attempt_free(struct attempt *a)
{
	loop_forget(&a->source);
	fd_close(a->source.fd);
	free(a);
}
