/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/rootlessport/config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* A Go struct: what its fields are called in messages. */
struct object {
	const struct json *json;
	const char *name;
};

static int wrong_type(const struct json *value, bool tell_number, const char *field,
		      const char *key, const char *type, struct error *err)
{
	const char *kind = json_go_kind(value);
	_cleanup_free_ char *number = NULL;

	if (tell_number && strcmp(kind, "number") == 0)
		number = json_go_text(value);
	return error_set(err, -EINVAL, "json: cannot unmarshal %s%s%s into Go %s%s of type %s",
			 kind, number ? " " : "", number ? number : "", field, key, type);
}

static int get_string(const struct object *o, const char *key, const char **ret,
		      struct error *err)
{
	const struct json *value = json_get_folded(o->json, key);

	if (!value)
		return 0;
	if (strcmp(json_go_kind(value), "string") != 0)
		return wrong_type(value, false, o->name, key, "string", err);
	*ret = json_string(value);
	if (!*ret)
		return error_set(err, -EINVAL, "%s has a NUL inside", key);
	return 0;
}

static int get_int(const struct object *o, const char *key, int64_t min, int64_t max,
		   const char *type, int64_t *ret, struct error *err)
{
	const struct json *value = json_get_folded(o->json, key);

	if (!value || json_int(value, min, max, ret) >= 0)
		return 0;
	return wrong_type(value, true, o->name, key, type, err);
}

static int get_port(const struct object *o, const char *key, uint16_t *ret, struct error *err)
{
	int64_t n = *ret;
	int r = get_int(o, key, 0, UINT16_MAX, "uint16", &n, err);

	*ret = (uint16_t)n;
	return r;
}

static int get_fd(const struct object *o, const char *key, int *ret, struct error *err)
{
	int64_t n = 0;
	int r = get_int(o, key, INT_MIN, INT_MAX, "int", &n, err);

	*ret = (int)n;
	return r;
}

static int get_bool(const struct object *o, const char *key, bool *ret, struct error *err)
{
	const struct json *value = json_get_folded(o->json, key);

	if (!value || json_boolean(value, ret) >= 0)
		return 0;
	return wrong_type(value, false, o->name, key, "bool", err);
}

static bool has(const struct object *o, const char *key)
{
	return json_get_folded(o->json, key);
}

/* Podman 3, github.com/cri-o/ocicni: no key of today's is among them but the protocol. */
static bool is_ocicni(const struct object *o)
{
	return (has(o, "hostPort") || has(o, "containerPort")) && !has(o, "host_port") &&
	       !has(o, "container_port") && !has(o, "host_ip") && !has(o, "range");
}

static int parse_mapping(const struct json *json, struct rootlessport_mapping *m,
			 struct error *err)
{
	const struct object o = { json, "struct field PortMapping.Mappings." };
	bool old = is_ocicni(&o);
	int r;

	*m = (struct rootlessport_mapping){ .host_ip = "", .protocol = "", .range = old };
	if (json && !json_is_object(json))
		return wrong_type(json, false, "struct field Config.", "Mappings",
				  "types.PortMapping", err);
	r = get_string(&o, old ? "hostIP" : "host_ip", &m->host_ip, err);
	if (r >= 0)
		r = get_port(&o, old ? "containerPort" : "container_port", &m->container_port,
			     err);
	if (r >= 0)
		r = get_port(&o, old ? "hostPort" : "host_port", &m->host_port, err);
	if (r >= 0)
		r = get_port(&o, "range", &m->range, err);
	if (r >= 0)
		r = get_string(&o, "protocol", &m->protocol, err);
	return r;
}

static int parse_mappings(const struct json *list, struct rootlessport_config *c,
			  struct error *err)
{
	int r = 0;

	if (!list)
		return 0;
	if (!json_is_array(list))
		return wrong_type(list, false, "struct field Config.", "Mappings",
				  "[]types.PortMapping", err);
	c->n_mappings = json_len(list);
	c->mappings = calloc(c->n_mappings + 1, sizeof(*c->mappings));
	if (!c->mappings)
		return error_errno(err, -ENOMEM, "%zu mappings", c->n_mappings);
	for (size_t i = 0; i < c->n_mappings && r >= 0; i++)
		r = parse_mapping(json_at(list, i), &c->mappings[i], err);
	return r;
}

/* As far as the original checks it, and what would otherwise fail with nobody to tell. */
static int check_fd(int fd, const char *key, struct error *err)
{
	if (fd <= 0)
		return error_set(err, -EINVAL, "missing %s", key);
	if (fd <= 2)
		return error_set(err, -EINVAL, "invalid %s", key);
	return fcntl(fd, F_GETFD) < 0 ? error_errno(err, -errno, "%s %d", key, fd) : 0;
}

static int check(const struct rootlessport_config *c, struct error *err)
{
	int r;

	if (!*c->netns_path)
		return error_set(err, -EINVAL, "missing NetNSPath");
	r = check_fd(c->exit_fd, "ExitFD", err);
	if (r >= 0)
		r = check_fd(c->ready_fd, "ReadyFD", err);
	if (r >= 0 && c->exit_fd == c->ready_fd)
		r = error_set(err, -EINVAL, "invalid ReadyFD");
	if (r >= 0 && c->reloadable &&
	    (!*c->container_id || strchr(c->container_id, '/') || c->container_id[0] == '.'))
		r = error_set(err, -EINVAL, "ContainerID \"%s\" does not do in a file name",
			      c->container_id);
	return r;
}

int rootlessport_config_parse(const char *text, size_t len, struct rootlessport_config *c,
			      struct error *err)
{
	struct object o = { .name = "struct field Config." };
	int r;

	*c = (struct rootlessport_config){
		.netns_path = "", .tmpdir = "", .child_ip = "", .container_id = "",
	};
	r = json_parse(text, len, &c->json, err);
	if (r < 0)
		return r;
	if (c->json && !json_is_object(c->json))
		return wrong_type(c->json, false, "value", "", "rootlessport.Config", err);
	o.json = c->json;
	r = parse_mappings(json_get_folded(c->json, "Mappings"), c, err);
	if (r >= 0)
		r = get_string(&o, "NetNSPath", &c->netns_path, err);
	if (r >= 0)
		r = get_fd(&o, "ExitFD", &c->exit_fd, err);
	if (r >= 0)
		r = get_fd(&o, "ReadyFD", &c->ready_fd, err);
	if (r >= 0)
		r = get_string(&o, "TmpDir", &c->tmpdir, err);
	if (r >= 0)
		r = get_string(&o, "ChildIP", &c->child_ip, err);
	if (r >= 0)
		r = get_string(&o, "ContainerID", &c->container_id, err);
	if (r >= 0)
		r = get_bool(&o, "RootlessCNI", &c->reloadable, err);
	return r < 0 ? r : check(c, err);
}

void rootlessport_config_done(struct rootlessport_config *c)
{
	free(c->mappings);
	json_free(c->json);
	*c = (struct rootlessport_config){ 0 };
}
