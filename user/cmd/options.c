/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/options.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "cmd/effect.h"
#include "cmd/usage.h"
#include "control/request.h"

enum {
	OPT_NETWORK = 256,
	OPT_SLIRP4NETNS,
	OPT_NO_PIVOT_ROOT,
	OPT_TMPDIR,
	OPT_ID,
	OPT_DATAPATH,
	OPT_CHILD_IP,
	OPT_CONTROL,
	OPT_CONTROL_FROM_COMMAND,
	OPT_TAKE_OVER,
	OPT_DRAIN_TIMEOUT,
	OPT_UDP_TIMEOUT,
	OPT_UDP_TIMEOUT_STREAM,
	OPT_UDP_SESSIONS,
	OPT_LIMIT,
	OPT_RULE_LIMIT,
	OPT_RULE_DATAPATH,
	OPT_FREEBIND,
	OPT_READY_FD,
	OPT_EXIT_FD,
	OPT_LOG_LEVEL,
	OPT_LOG_JSON,
	OPT_NETNS,
	OPT_PID,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{ "publish", required_argument, NULL, 'p' },
	{ "network", required_argument, NULL, OPT_NETWORK },
	{ "slirp4netns", required_argument, NULL, OPT_SLIRP4NETNS },
	{ "no-pivot-root", no_argument, NULL, OPT_NO_PIVOT_ROOT },
	{ "tmpdir", required_argument, NULL, OPT_TMPDIR },
	{ "id", required_argument, NULL, OPT_ID },
	{ "datapath", required_argument, NULL, OPT_DATAPATH },
	{ "child-ip", required_argument, NULL, OPT_CHILD_IP },
	{ "control", required_argument, NULL, OPT_CONTROL },
	{ "control-from-command", no_argument, NULL, OPT_CONTROL_FROM_COMMAND },
	{ "take-over", required_argument, NULL, OPT_TAKE_OVER },
	{ "drain-timeout", required_argument, NULL, OPT_DRAIN_TIMEOUT },
	{ "udp-timeout", required_argument, NULL, OPT_UDP_TIMEOUT },
	{ "udp-timeout-stream", required_argument, NULL, OPT_UDP_TIMEOUT_STREAM },
	{ "udp-sessions", required_argument, NULL, OPT_UDP_SESSIONS },
	{ "limit", required_argument, NULL, OPT_LIMIT },
	{ "rule-limit", required_argument, NULL, OPT_RULE_LIMIT },
	{ "rule-datapath", required_argument, NULL, OPT_RULE_DATAPATH },
	{ "freebind", no_argument, NULL, OPT_FREEBIND },
	{ "ready-fd", required_argument, NULL, OPT_READY_FD },
	{ "exit-fd", required_argument, NULL, OPT_EXIT_FD },
	{ "log-level", required_argument, NULL, OPT_LOG_LEVEL },
	{ "log-json", no_argument, NULL, OPT_LOG_JSON },
	{ "netns", required_argument, NULL, OPT_NETNS },
	{ "pid", required_argument, NULL, OPT_PID },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ 0 },
};

void config_init(struct config *c)
{
	*c = (struct config){
		.ready_fd = -1,
		.exit_fd = -1,
		.log_level = LOG_INFO,
		.drain_timeout = 60,
		.datapath = DATAPATH_AUTO,
		.udp = { .timeout = 30, .timeout_stream = 180 },
		.all_limits = LIMITS_DEFAULT,
		.rule_limits = RULE_LIMITS_DEFAULT,
	};
	slirp4netns_options_init(&c->slirp4netns_options);
}

void config_done(struct config *c)
{
	free(c->specs);
}

static int add_spec(struct config *c, const char *text, struct error *err)
{
	struct port_spec *specs;
	int r;

	specs = realloc(c->specs, (c->n_specs + 1) * sizeof(*specs));
	if (!specs)
		return error_errno(err, -ENOMEM, "--publish %s", text);
	c->specs = specs;
	r = spec_parse(text, &c->specs[c->n_specs], err);
	if (r < 0)
		return r;
	c->specs[c->n_specs++].datapath = (uint8_t)c->rule_datapath;
	c->wants_spec = false;
	return 0;
}

static int set_network(struct config *c, const char *text, struct error *err)
{
	static const char slirp[] = "slirp4netns";

	if (strcmp(text, "none") == 0) {
		c->slirp4netns = false;
		return 0;
	}
	if (strncmp(text, slirp, strlen(slirp)) == 0) {
		text += strlen(slirp);
		c->slirp4netns = true;
		if (*text == '\0')
			return 0;
		if (*text == ':')
			return slirp4netns_options_parse(&c->slirp4netns_options,
							 text + 1, err);
		text -= strlen(slirp);
	}
	return error_set(err, -EINVAL,
			 "unknown network \"%s\": use slirp4netns[:KEY=VALUE,...] or none",
			 text);
}

static int set_child_ip(struct config *c, const char *text, struct error *err)
{
	struct addr a, *to;
	int r = addr_parse(text, &a);

	if (r < 0)
		return error_set(err, r, "--child-ip \"%s\" is not an IP address", text);
	to = a.family == AF_INET6 ? &c->child6 : &c->child4;
	if (to->family)
		return error_set(err, -EINVAL,
				 "--child-ip %s: an IPv%c address was given before", text,
				 a.family == AF_INET6 ? '6' : '4');
	*to = a;
	return 0;
}

static int parse_number(const char *option, const char *text, long min, int *ret,
			struct error *err)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno || *end || end == text || n < min || n > INT_MAX)
		return error_set(err, -EINVAL, "%s \"%s\" is not a number from %ld on",
				 option, text, min);
	*ret = (int)n;
	return 0;
}

static int set_limit(const char *option, const char *text, uint32_t *ret, struct error *err)
{
	int n, r = parse_number(option, text, 1, &n, err);

	if (r >= 0)
		*ret = (uint32_t)n;
	return r;
}

static int set_drain_timeout(struct config *c, const char *text, struct error *err)
{
	int n, r = parse_number("--drain-timeout", text, 0, &n, err);

	if (r >= 0 && n > CONTROL_TIMEOUT_MAX)
		return error_set(err, -EINVAL, "--drain-timeout %d: at most %d, a week, is possible",
				 n, CONTROL_TIMEOUT_MAX);
	if (r >= 0)
		c->drain_timeout = (uint32_t)n;
	return r;
}

static int set_fd(const char *option, const char *text, int *ret, struct error *err)
{
	int r = parse_number(option, text, 0, ret, err);

	if (r < 0)
		return r;
	if (fcntl(*ret, F_GETFD) < 0)
		return error_errno(err, -errno, "%s %d", option, *ret);
	/* COMMAND is not to find it, but it keeps its standard streams */
	return *ret > 2 ? fd_set_cloexec(*ret, 1) : 0;
}

/* Those that the environment may have, too. */
static int read_option(struct config *c, int option, const char *arg, struct error *err)
{
	if (option == OPT_DATAPATH)
		return datapath_parse(arg, &c->datapath, err);
	return option == OPT_LIMIT ? limits_parse(arg, false, &c->all_limits, err) :
				     limits_parse(arg, true, &c->rule_limits, err);
}

static int set_option(struct config *c, int option, const char *arg, struct error *err)
{
	int r;

	switch (option) {
	case 'p':
		return add_spec(c, arg, err);
	case OPT_NETWORK:
		return set_network(c, arg, err);
	case OPT_SLIRP4NETNS:
		c->slirp4netns_path = arg;
		return 0;
	case OPT_NO_PIVOT_ROOT:
		c->no_pivot_root = true;
		return 0;
	case OPT_TMPDIR:
		c->tmpdir = arg;
		return 0;
	case OPT_ID:
		if (!*arg || strchr(arg, '/') || strlen(arg) > 128)
			return error_set(err, -EINVAL,
					 "--id \"%s\" does not do in a file name", arg);
		c->id = arg;
		return 0;
	case OPT_CHILD_IP:
		return set_child_ip(c, arg, err);
	case OPT_CONTROL:
		c->control = arg;
		return 0;
	case OPT_CONTROL_FROM_COMMAND:
		c->control_from_command = true;
		return 0;
	case OPT_TAKE_OVER:
		c->take_over = arg;
		return 0;
	case OPT_DRAIN_TIMEOUT:
		return set_drain_timeout(c, arg, err);
	case OPT_UDP_TIMEOUT:
		return set_limit("--udp-timeout", arg, &c->udp.timeout, err);
	case OPT_UDP_TIMEOUT_STREAM:
		return set_limit("--udp-timeout-stream", arg, &c->udp.timeout_stream, err);
	case OPT_UDP_SESSIONS:
		return set_limit("--udp-sessions", arg, &c->all_limits.of[LIMIT_UDP_SESSIONS],
				 err);
	case OPT_DATAPATH:
		return read_option(c, option, arg, err);
	case OPT_LIMIT:
		r = read_option(c, option, arg, err);
		return r < 0 ? error_wrap(err, r, "--limit \"%s\"", arg) : 0;
	case OPT_RULE_LIMIT:
		r = read_option(c, option, arg, err);
		return r < 0 ? error_wrap(err, r, "--rule-limit \"%s\"", arg) : 0;
	case OPT_RULE_DATAPATH:
		c->wants_spec = true;
		return datapath_parse(arg, &c->rule_datapath, err);
	case OPT_FREEBIND:
		c->freebind = true;
		return 0;
	case OPT_READY_FD:
		return set_fd("--ready-fd", arg, &c->ready_fd, err);
	case OPT_EXIT_FD:
		return set_fd("--exit-fd", arg, &c->exit_fd, err);
	case OPT_LOG_LEVEL:
		if (log_level_parse(arg, &c->log_level) < 0)
			return error_set(err, -EINVAL,
					 "--log-level \"%s\": use error, warn, info or debug",
					 arg);
		return 0;
	case OPT_LOG_JSON:
		c->log_json = true;
		return 0;
	case OPT_NETNS:
		c->netns_path = arg;
		return 0;
	case OPT_PID:
		return parse_number("--pid", arg, 1, &c->pid, err);
	default:
		return error_set(err, -EINVAL, "unknown option %d", option);
	}
}

/* getopt_long(3) told '?' or ':' about argv[optind - 1]. */
static int bad_option(const char *command, char **argv, int told, struct error *err)
{
	const char *word = argv[optind - 1];

	if (told == ':')
		return error_set(err, -EINVAL, "option %s wants a value", word);
	/* inside -xyz argv[optind - 1] may yet be the word before it */
	if (optopt && optopt < OPT_NETWORK && !strchr("ph", optopt))
		return error_set(err, -EINVAL,
				 "unknown option -%c: portshunt %s --help lists them",
				 optopt, command);
	if (optopt)
		return error_set(err, -EINVAL, "option %.*s takes no value",
				 (int)strcspn(word, "="), word);
	return error_set(err, -EINVAL,
			 "unknown option %s: portshunt %s --help lists them", word,
			 command);
}

int options_read_environment(struct config *c, struct error *err)
{
	static const struct {
		const char *name;
		int option;
	} all[] = {
		{ "PORTSHUNT_DATAPATH", OPT_DATAPATH },
		{ "PORTSHUNT_LIMIT", OPT_LIMIT },
		{ "PORTSHUNT_RULE_LIMIT", OPT_RULE_LIMIT },
	};
	const char *value;
	int r = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(*all) && r >= 0; i++) {
		value = getenv(all[i].name);
		if (value && *value)
			r = read_option(c, all[i].option, value, err);
		if (r < 0)
			return error_wrap(err, r, "%s", all[i].name);
	}
	return 0;
}

int options_parse(int argc, char **argv, struct config *c, int *ret_rest,
		  struct error *err)
{
	bool attach = strcmp(argv[0], "attach") == 0;
	uint64_t given = 0; /* of long_options, a bit for each */
	int option, i = 0, r;

	r = options_read_environment(c, err);
	opterr = 0;
	optind = 1;
	while (r >= 0 &&
	       (option = getopt_long(argc, argv, "+:p:h", long_options, &i)) != -1) {
		if (option == 'h') {
			usage_print(attach);
			return 1;
		}
		if (option == OPT_VERSION) {
			printf("portshunt " VERSION "\n");
			return 1;
		}
		if (option == '?' || option == ':')
			return bad_option(argv[0], argv, option, err);
		if (!attach && (option == OPT_NETNS || option == OPT_PID))
			return error_set(err, -EINVAL,
					 "run makes a new network: --netns and --pid are "
					 "options of portshunt attach");
		if (!attach && (option == OPT_TAKE_OVER || option == OPT_DRAIN_TIMEOUT))
			return error_set(err, -EINVAL,
					 "run starts a command of its own: --take-over and "
					 "--drain-timeout are options of portshunt attach");
		if (attach && option == OPT_CONTROL_FROM_COMMAND)
			return error_set(err, -EINVAL,
					 "attach runs no command: --control-from-command is an "
					 "option of portshunt run");
		if (option != 'p')
			given |= UINT64_C(1) << i;
		r = set_option(c, option, optarg, err);
	}
	*ret_rest = optind;
	for (size_t n = 0; n < c->n_specs; n++)
		c->specs[n].freebind = c->freebind;
	if (r >= 0 && c->wants_spec)
		return error_set(err, -EINVAL, "no -p follows --rule-datapath %s, which is of those "
				 "that follow it", datapath_name(c->rule_datapath));
	for (i = 0; r >= 0 && long_options[i].name; i++)
		if (given >> i & 1)
			r = effect_check(long_options[i].name, c, err);
	return r < 0 ? r : 0;
}
