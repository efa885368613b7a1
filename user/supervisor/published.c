/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/published.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int published_reserve(struct published_list *s, size_t n, struct error *err)
{
	size_t room = s->room ? s->room : 16;
	struct published *list;

	/* no rule has the number 0, and none one that another had */
	if (n > UINT32_MAX - s->last_id)
		return error_set(err, -EOVERFLOW, "no numbers are left for %zu more rules: the last "
				 "one is %u; start portshunt anew, without --take-over", n,
				 s->last_id);
	while (room < s->n + n)
		room *= 2;
	if (room == s->room)
		return 0;
	list = realloc(s->list, room * sizeof(*list));
	if (!list)
		return error_errno(err, -ENOMEM, "%zu more rules", n);
	s->list = list;
	s->room = room;
	return 0;
}

const struct published *published_add(struct published_list *s, const struct port_spec *asked,
				      uint16_t host_port, const struct limits *limits)
{
	struct published *p = &s->list[s->n++];

	*p = (struct published){ .id = ++s->last_id, .asked = *asked, .bound = *asked };
	p->bound.host_port = host_port;
	if (limits)
		p->limits = *limits;
	return p;
}

void published_insert(struct published_list *s, const struct published *p)
{
	s->list[s->n++] = *p;
}

void published_done(struct published_list *s)
{
	free(s->list);
	*s = (struct published_list){ 0 };
}

static bool is_same(const struct port_spec *a, const struct port_spec *b)
{
	return spec_same_host(a, b) && a->host_port == b->host_port &&
	       a->container_port == b->container_port && a->count == b->count &&
	       a->protos == b->protos;
}

static bool matches(const struct published *p, const struct control_request *request)
{
	if (request->id)
		return p->id == request->id;
	if (request->host_port)
		return request->host_port >= p->bound.host_port &&
		       request->host_port < p->bound.host_port + p->bound.count;
	return is_same(&p->asked, request->specs) || is_same(&p->bound, request->specs);
}

static int none(const struct control_request *request, struct error *err)
{
	char text[SPEC_FORMAT_MAX];

	if (request->id)
		return error_set(err, -ENOENT, "there is no rule %u", request->id);
	if (request->host_port)
		return error_set(err, -ENOENT, "no rule has host port %u", request->host_port);
	return error_set(err, -ENOENT, "no rule is %s",
			 spec_format(request->specs, text, sizeof(text)));
}

int published_find(const struct published_list *s, const struct control_request *request,
		   struct error *err)
{
	const struct published *p;
	char text[SPEC_FORMAT_MAX];
	int found = -1;

	for (size_t i = 0; i < s->n; i++) {
		if (!matches(&s->list[i], request))
			continue;
		if (found >= 0)
			return error_set(err, -ENOENT, "rules %u and %u are both meant: name one "
					 "by its id", s->list[found].id, s->list[i].id);
		found = (int)i;
	}
	if (found < 0)
		return none(request, err);
	p = &s->list[found];
	if (request->host_port && p->bound.count > 1)
		return error_set(err, -ENOENT, "host port %u is one of %u of rule %u, %s: name "
				 "that by its id", request->host_port, p->bound.count, p->id,
				 spec_format(&p->bound, text, sizeof(text)));
	return found;
}

void published_remove(struct published_list *s, size_t i)
{
	s->n--;
	memmove(&s->list[i], &s->list[i + 1], (s->n - i) * sizeof(*s->list));
}

int published_check(const struct published_list *s, const struct port_spec *spec,
		    struct error *err)
{
	char text[SPEC_FORMAT_MAX], there[SPEC_FORMAT_MAX];

	for (size_t i = 0; i < s->n; i++)
		if (spec_overlaps(&s->list[i].bound, spec))
			return error_set(err, -EADDRINUSE, "cannot publish %s: rule %u, %s, has "
					 "the same host port",
					 spec_format(spec, text, sizeof(text)), s->list[i].id,
					 spec_format(&s->list[i].bound, there, sizeof(there)));
	return 0;
}
