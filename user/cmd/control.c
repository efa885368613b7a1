/* SPDX-License-Identifier: Apache-2.0 */
/* portshunt add, remove, list, stats, reload: what a running portshunt is asked. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "control/client.h"
#include "control/limits.h"
#include "control/podman.h"
#include "control/table.h"
#include "control/wait.h"
#include "datapath/datapath.h"

#define EXIT_TROUBLE 125

/* So many connections are shown when no number is given. */
#define CONNECTIONS 100

/* A rule to be removed: its id, its host port, or, where @key is NULL, the spec in `words`. */
struct target {
	const char *key;
	uint64_t number;
};

struct asked {
	const char *socket;
	const char *podman; /* reload: another kind of socket */
	bool json, drain, help;
	struct json *arguments;
	struct limits limits; /* add */
	struct target *targets; /* remove: owned */
	size_t n_targets;
	char **words; /* that are no options */
	size_t n_words;
};

struct command {
	const char *name, *options; /* letters of those that it takes */
	const char *usage;
	int (*fill)(struct asked *asked, struct error *err);
	void (*print)(const struct json *value);
};

enum {
	OPT_CONTROL = 'c',
	OPT_JSON = 'j',
	OPT_HELP = 'h',
	OPT_ID = 'i',
	OPT_HOST_PORT = 'p',
	OPT_DRAIN = 'd',
	OPT_TIMEOUT = 't',
	OPT_CONNECTIONS = 'n',
	OPT_PODMAN = 'o',
	OPT_RULE_LIMIT = 'l',
	OPT_RULE_DATAPATH = 'r',
	OPT_FREEBIND = 'f',
};

static const struct option long_options[] = {
	{ "control", required_argument, NULL, OPT_CONTROL },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "id", required_argument, NULL, OPT_ID },
	{ "host-port", required_argument, NULL, OPT_HOST_PORT },
	{ "drain", no_argument, NULL, OPT_DRAIN },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "connections", optional_argument, NULL, OPT_CONNECTIONS },
	{ "podman", required_argument, NULL, OPT_PODMAN },
	{ "rule-limit", required_argument, NULL, OPT_RULE_LIMIT },
	{ "rule-datapath", required_argument, NULL, OPT_RULE_DATAPATH },
	{ "freebind", no_argument, NULL, OPT_FREEBIND },
	{ 0 },
};

static const char usage_common[] =
	"      --control PATH   the socket that run or attach was given as --control\n"
	"      --json           print the reply as it is, one JSON object\n"
	"  -h, --help\n";

static int read_number(const char *option, const char *text, uint64_t *ret, struct error *err)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno || *end || end == text || n < 0)
		return error_set(err, -EINVAL, "%s \"%s\" is not a number", option, text);
	*ret = (uint64_t)n;
	return 0;
}

static int add_number(struct asked *a, const char *key, const char *option, const char *text,
		      struct error *err)
{
	uint64_t n;
	int r = read_number(option, text, &n, err);

	if (r >= 0)
		json_add_uint(a->arguments, key, n);
	return r;
}

/* --id or --host-port: of several each is one rule to be removed. */
static int add_target(struct asked *a, const char *key, const char *option, const char *text,
		      struct error *err)
{
	struct target *targets;

	targets = realloc(a->targets, (a->n_targets + 1) * sizeof(*targets));
	if (!targets)
		return error_errno(err, -ENOMEM, "%s %s", option, text);
	a->targets = targets;
	targets[a->n_targets].key = key;
	return read_number(option, text, &targets[a->n_targets++].number, err);
}

static struct json *list_of_words(const struct asked *a)
{
	struct json *list = json_new_array();

	for (size_t i = 0; i < a->n_words; i++)
		json_append(list, json_new_string(a->words[i]));
	return list;
}

static int fill_add(struct asked *a, struct error *err)
{
	if (!a->n_words)
		return error_set(err, -EINVAL, "add what? give a port spec, as 8080:80");
	json_add(a->arguments, "specs", list_of_words(a));
	if (limits_given(&a->limits))
		json_add(a->arguments, "limits", limits_json(&a->limits));
	return 0;
}

static int fill_remove(struct asked *a, struct error *err)
{
	if (!a->n_words && !a->n_targets)
		return error_set(err, -EINVAL, "remove what? give SPEC, --id N or --host-port N");
	if (json_has(a->arguments, "timeout") && !json_has(a->arguments, "drain"))
		return error_set(err, -EINVAL, "--timeout goes with --drain: without that, "
				 "connections are closed at once");
	return 0;
}

static int fill_none(struct asked *a, struct error *err)
{
	if (!a->n_words)
		return 0;
	return error_set(err, -EINVAL, "what is \"%s\"? This command takes options only, and the "
			 "socket goes with --control", a->words[0]);
}

static int fill_stats(struct asked *a, struct error *err)
{
	if (a->n_targets > 1)
		return error_set(err, -EINVAL, "--id is given %zu times: stats shows all rules, or "
				 "one", a->n_targets);
	if (a->n_targets)
		json_add_uint(a->arguments, "id", a->targets[0].number);
	return fill_none(a, err);
}

static int fill_reload(struct asked *a, struct error *err)
{
	if (!a->n_words)
		return error_set(err, -EINVAL, "reload wants the container's new address");
	if (a->podman && (a->n_words > 1 || a->socket || a->json))
		return error_set(err, -EINVAL, "--podman PATH wants one address and nothing else");
	json_add(a->arguments, "child_ips", list_of_words(a));
	return 0;
}

static const struct command commands[] = {
	{ "add", "lrf", "Usage: portshunt add --control PATH [--json] SPEC...\n"
	  "Publish more ports: all of them, or none. Prints what was bound.\n\n"
	  "      --rule-limit NAME=N,...  of each: connections, connect-rate, half-open,\n"
	  "                       udp-sessions, idle-timeout; N may be off\n"
	  "      --rule-datapath NAME  of each: auto, shunt, sockmap or splice\n"
	  "      --freebind       the addresses may come later\n",
	  fill_add, table_added },
	{ "remove", "ipdt",
	  "Usage: portshunt remove --control PATH [--json] [--drain] RULE...\n"
	  "Publish the ports of these rules no longer, and close their connections.\n"
	  "A RULE is its SPEC, --id N or --host-port N.\n\n"
	  "      --id N           a rule's number, as list has it\n"
	  "      --host-port N    the rule with this port of the host\n"
	  "      --drain          their connections go on\n"
	  "      --timeout N      but for N seconds at most\n",
	  fill_remove, table_removed },
	{ "list", "", "Usage: portshunt list --control PATH [--json]\n"
	  "List the rules: what is published, and how many connections are open.\n\n",
	  fill_none, table_list },
	{ "stats", "in", "Usage: portshunt stats --control PATH [--json]\n"
	  "Tell what the rules have done.\n\n"
	  "      --id N           this rule only\n"
	  "      --connections[=N]  and which connections are open, 100 at most or N\n",
	  fill_stats, table_stats },
	{ "reload", "o", "Usage: portshunt reload --control PATH [--json] ADDRESS...\n"
	  "  or:  portshunt reload --podman TMPDIR/rp/ID ADDRESS\n"
	  "The container has another address now, one a family: as --child-ip.\n\n"
	  "      --podman PATH    the reload socket of a container's rootlessport\n",
	  fill_reload, table_reloaded },
};

static const struct command *find(const char *name)
{
	const struct command *c = commands;

	while (strcmp(c->name, name) != 0)
		c++;
	return c;
}

static int set_option(struct asked *a, int option, struct error *err)
{
	enum datapath datapath;
	int r;

	switch (option) {
	case OPT_CONTROL:
		a->socket = optarg;
		return 0;
	case OPT_JSON:
		a->json = true;
		return 0;
	case OPT_HELP:
		a->help = true;
		return 0;
	case OPT_ID:
		return add_target(a, "id", "--id", optarg, err);
	case OPT_HOST_PORT:
		return add_target(a, "host_port", "--host-port", optarg, err);
	case OPT_DRAIN:
		json_add(a->arguments, "drain", json_new_boolean(true));
		return 0;
	case OPT_FREEBIND:
		json_add(a->arguments, "freebind", json_new_boolean(true));
		return 0;
	case OPT_TIMEOUT:
		return add_number(a, "timeout", "--timeout", optarg, err);
	case OPT_PODMAN:
		a->podman = optarg;
		return 0;
	case OPT_RULE_LIMIT:
		r = limits_parse(optarg, true, &a->limits, err);
		return r < 0 ? error_wrap(err, r, "--rule-limit \"%s\"", optarg) : 0;
	case OPT_RULE_DATAPATH:
		r = datapath_parse(optarg, &datapath, err);
		if (r >= 0)
			json_add_string(a->arguments, "datapath", datapath_name(datapath));
		return r;
	default:
		if (optarg)
			return add_number(a, "connections", "--connections", optarg, err);
		json_add_uint(a->arguments, "connections", CONNECTIONS);
		return 0;
	}
}

static int unknown(const struct command *c, const char *dashes, const char *option,
		   struct error *err)
{
	return error_set(err, -EINVAL, "unknown option %s%s: portshunt %s --help lists them",
			 dashes, option, c->name);
}

static int parse(const struct command *c, int argc, char **argv, struct asked *a,
		 struct error *err)
{
	int option, r = 0, i = 0;

	opterr = 0;
	optind = 1;
	while (r >= 0 && (option = getopt_long(argc, argv, ":h", long_options, &i)) != -1) {
		if (option == ':')
			return error_set(err, -EINVAL, "option %s wants a value", argv[optind - 1]);
		if (option == '?')
			return unknown(c, "", argv[optind - 1], err);
		/* another command's */
		if (!strchr("cjh", option) && !strchr(c->options, option))
			return unknown(c, "--", long_options[i].name, err);
		r = set_option(a, option, err);
	}
	if (r < 0 || a->help)
		return r;
	a->words = argv + optind;
	a->n_words = (size_t)(argc - optind);
	r = c->fill(a, err);
	if (r >= 0 && !a->socket && !a->podman)
		return error_set(err, -EINVAL, "%s wants --control PATH, the socket that run or "
				 "attach was given", c->name);
	return r;
}

static struct json *copy(const struct json *arguments)
{
	_cleanup_free_ char *text = json_text(arguments);
	struct json *ret = NULL;

	if (text)
		json_parse(text, strlen(text), &ret, NULL);
	return ret;
}

/* @arguments is taken over. */
static int ask(const struct command *c, const struct asked *a, struct json *arguments,
	       struct error *err)
{
	_cleanup_free_ char *text = NULL;
	struct json *request = json_new_object(), *reply = NULL;
	const struct json *value;
	int r;

	json_add_string(request, "execute", c->name);
	json_add(request, "arguments", arguments);
	r = control_ask(a->socket, request, &text, &reply, &value, err);
	if (a->json && text) {
		make_printable(text);
		puts(text);
	} else if (r >= 0) {
		c->print(value);
	}
	json_free(reply);
	json_free(request);
	if (r >= 0 && (fflush(stdout) != 0 || ferror(stdout)))
		r = error_errno(err, -errno, "cannot write to stdout");
	return r;
}

static bool is_number(const char *text)
{
	return text[strspn(text, "0123456789")] == '\0';
}

/* As rm(1) does: each of them, and an error for each that cannot be. */
static int remove_each(const struct command *c, struct asked *a, struct error *err)
{
	int worst = 0, r;

	/* each error is logged here */
	for (size_t i = 0; i < a->n_targets + a->n_words; i++) {
		const char *spec = i < a->n_targets ? NULL : a->words[i - a->n_targets];
		struct json *arguments = copy(a->arguments);

		if (spec)
			json_add_string(arguments, "spec", spec);
		else
			json_add_uint(arguments, a->targets[i].key, a->targets[i].number);
		r = ask(c, a, arguments, err);
		if (r == -EREMOTEIO && spec && is_number(spec) && strstr(err->text, "no rule is"))
			error_set(err, r, "no rule is %s/tcp; the rule number %s is --id %s", spec,
				  spec, spec);
		if (r < 0)
			log_error("%s", err->text);
		worst = r < 0 ? r : worst;
	}
	*err->text = '\0';
	return worst;
}

int cmd_control(int argc, char **argv)
{
	const struct command *c = find(argv[0]);
	struct asked asked = { .arguments = json_new_object() };
	struct control_wait wait;
	struct error err = { "" };
	int r = parse(c, argc, argv, &asked, &err);

	if (r >= 0 && asked.help) {
		printf("%s%s", c->usage, usage_common);
	} else if (r >= 0 && asked.podman) {
		control_wait_start(&wait, PODMAN_RELOAD_SECONDS);
		r = podman_reload(asked.podman, asked.words[0], &wait, &err);
	} else if (r >= 0) {
		r = asked.n_targets + asked.n_words && c->fill == fill_remove ?
			    remove_each(c, &asked, &err) :
			    ask(c, &asked, TAKE_PTR(asked.arguments), &err);
	}
	json_free(asked.arguments);
	free(asked.targets);
	if (r < 0 && *err.text)
		log_error("%s", err.text);
	return r < 0 ? EXIT_TROUBLE : 0;
}
