/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor with a forwarder that somebody has taken over. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/timer.h"
#include "supervisor/answers.h"
#include "supervisor/supervisor.h"

/* The forwarder was told of so many rules, of which the second was removed. */
#define RULES 3
#define DRAINING 2

/* How it answers. @request is the latest one. */
struct evil {
	void (*change)(const struct forwarder_request *request, struct forwarder_reply *reply);
	size_t len, n_fds; /* 0: a whole reply */
	bool is_silent, is_endless;
};

static const struct config config;
static struct supervisor s = { .config = &config };
static int signals;

static const struct port_spec spec = {
	.host_port = 8080, .container_port = 80, .count = 2, .protos = PROTO_TCP | PROTO_UDP,
	.datapath = DATAPATH_SPLICE,
};

static const struct limits limits = { { 100, LIMIT_OFF, 1024, LIMIT_OFF, LIMIT_OFF } };

static void rule(struct forwarder_rule *r, uint32_t id)
{
	*r = (struct forwarder_rule){
		.id = id,
		.datapath = DATAPATH_SPLICE,
		.spec = spec,
		.is_removed = id == DRAINING,
		.limits.limits = limits,
	};
}

/* As if the requests for rules 1 to @n had been sent. */
static void tell(uint32_t n)
{
	struct forwarder_request requests[] = {
		{ .type = FORWARDER_SETUP, .setup = { .datapath = DATAPATH_SPLICE, .all = limits,
						      .each = limits } },
		{ .type = FORWARDER_START, .start.target4.family = AF_INET },
		{ .type = FORWARDER_REMOVE, .remove = { .rule = DRAINING, .drain = true } },
	};
	struct forwarder_request listen = {
		.type = FORWARDER_LISTEN,
		.listen = { .count = 2, .container_port = 80, .spec = spec },
	};
	struct forwarder_told *told = &s.forwarder.told;

	forwarder_told_request(told, &requests[0]);
	forwarder_told_request(told, &requests[1]);
	assert_int_equal(forwarder_told_reserve(told, n), 0);
	for (listen.listen.rule = 1; listen.listen.rule <= n; listen.listen.rule++)
		forwarder_told_request(told, &listen);
	forwarder_told_request(told, &requests[2]);
}

/* As an honest one would. */
static void fill(const struct forwarder_request *request, struct forwarder_reply *reply)
{
	memset(reply, 0, sizeof(*reply));
	reply->serial = request->serial;
	if (request->type == FORWARDER_RULES) {
		reply->rules.datapath = DATAPATH_SPLICE;
		reply->rules.limits.limits = limits;
		for (uint32_t id = request->rules.after + 1; id <= RULES; id++)
			rule(&reply->rules.list[reply->rules.n++], id);
	} else if (request->type == FORWARDER_CONNECTIONS) {
		for (uint64_t i = 0; i < 2; i++)
			reply->open.list[reply->open.n++] = (struct forwarder_connection){
				.rule = 1 + i,
				.id = 7,
				.host.family = AF_INET,
				.host_port = 8080 + i,
				.container.family = AF_INET,
				.container_port = 80 + i,
			};
	}
}

static void __attribute__((noreturn)) be(const struct evil *evil, int fd)
{
	struct forwarder_request request;
	struct forwarder_reply reply;
	int fds[FD_PASS_MAX] = { 0 }; /* of stdin */
	size_t n;

	process_die_with_parent();
	while (fd_recv(fd, &request, sizeof(request), NULL, 0, &n) == sizeof(request)) {
		if (evil->is_silent)
			continue;
		do {
			fill(&request, &reply);
			if (evil->change)
				evil->change(&request, &reply);
		} while (fd_send(fd, &reply, evil->len ? evil->len : sizeof(reply), fds,
				 evil->n_fds) == 0 && evil->is_endless);
	}
	pause();
	_exit(0);
}

static void start(const struct evil *evil)
{
	struct signalfd_siginfo unused;
	sigset_t set;
	int fds[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), errno);
	client_init(&s.forwarder);
	s.forwarder.fd = fds[0];
	tell(RULES);
	s.forwarder.process.pid = fork();
	assert_true(s.forwarder.process.pid >= 0);
	if (s.forwarder.process.pid == 0) {
		close(fds[0]);
		be(evil, fds[1]);
	}
	close(fds[1]);
	s.forwarder.process.pidfd = (int)syscall(SYS_pidfd_open, s.forwarder.process.pid, 0);
	assert_true(s.forwarder.process.pidfd >= 0);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	while (read(signals, &unused, sizeof(unused)) > 0)
		;
	client_running(&s.forwarder, signals, -1);
}

/* Returns how it ended: 0, by itself or now; or the signal that had killed it. */
static int forwarder_end(void)
{
	struct process *p = &s.forwarder.process;
	int status = 0;

	if (!s.forwarder.is_lost)
		kill(p->pid, SIGUSR1);
	assert_int_equal(process_wait(p, 10000, &status), 0);
	s.forwarder.fd = fd_close(s.forwarder.fd);
	forwarder_told_done(&s.forwarder.told);
	close(signals);
	return WTERMSIG(status) == SIGUSR1 ? 0 : WTERMSIG(status);
}

static int list(struct error *err)
{
	struct json *json = NULL;
	int r = answer_list(&s, &json, err);

	if (r >= 0)
		json_free(json);
	return r;
}

static int stats(struct error *err)
{
	const struct control_request request = {
		.execute = CONTROL_STATS, .connections = CONTROL_CONNECTIONS_MAX,
	};
	struct json *json = NULL;
	int r = answer_stats(&s, &request, &json, err);

	if (r >= 0)
		json_free(json);
	return r;
}

/* It is not believed, is ended, and nobody is asked again. */
static void assert_lost(const struct evil *evil, int (*ask)(struct error *err))
{
	struct error err = { "" };

	start(evil);
	assert_int_equal(ask(&err), -EBADMSG);
	assert_string_equal(err.text, "a message of the forwarder makes no sense: it was ended");
	assert_true(s.forwarder.is_lost);
	assert_int_equal(ask(&err), -ECHILD);
	assert_int_equal(forwarder_end(), SIGKILL);
}

static void assert_all_lost(void (*const *changes)(const struct forwarder_request *,
						   struct forwarder_reply *),
			    size_t n, int (*ask)(struct error *err))
{
	for (size_t i = 0; i < n; i++)
		assert_lost(&(struct evil){ .change = changes[i] }, ask);
}

static void an_honest_one_is_believed(void **state)
{
	struct error err = { "" };

	start(&(struct evil){ 0 });
	assert_int_equal(list(&err), 0);
	assert_int_equal(stats(&err), 0);
	assert_false(s.forwarder.is_lost);
	assert_int_equal(forwarder_end(), 0);
}

/* clang-format off */
#define CHANGE(name, ...)                                                                          \
	static void name(const struct forwarder_request *request, struct forwarder_reply *reply)   \
	{                                                                                          \
		__VA_ARGS__;                                                                       \
	}
/* clang-format on */

#define BYTE(field) (*(uint8_t *)&(field))

CHANGE(n_20000, reply->rules.n = 20000)
CHANGE(n_40, reply->rules.n = 40)
CHANGE(n_max, reply->rules.n = UINT32_MAX)
CHANGE(datapath_200, reply->rules.datapath = 200)
CHANGE(datapath_next, reply->rules.datapath = DATAPATH_SHUNT + 1)
CHANGE(datapath_auto, reply->rules.datapath = DATAPATH_AUTO)
CHANGE(rule_datapath_0, reply->rules.list[0].datapath = DATAPATH_DEFAULT)
CHANGE(rule_datapath_auto, reply->rules.list[0].datapath = DATAPATH_AUTO)
CHANGE(rule_datapath_next, reply->rules.list[0].datapath = DATAPATH_SHUNT + 1)
CHANGE(spec_datapath_next, reply->rules.list[0].spec.datapath = DATAPATH_SHUNT + 1)
CHANGE(rule_datapath_other, reply->rules.list[0].datapath = DATAPATH_SOCKMAP)
CHANGE(spec_datapath_other, reply->rules.list[0].spec.datapath = DATAPATH_SOCKMAP)
CHANGE(id_0, reply->rules.list[0].id = 0)
CHANGE(id_twice, reply->rules.list[1].id = 1)
CHANGE(id_unknown, reply->rules.list[2].id = RULES + 1)
CHANGE(removed_2, BYTE(reply->rules.list[0].is_removed) = 2)
CHANGE(no_protocol, reply->rules.list[0].spec.protos = 0)
CHANGE(protocol_4, reply->rules.list[0].spec.protos = 4)
CHANGE(no_ports, reply->rules.list[0].spec.count = 0)
CHANGE(past_the_end, reply->rules.list[0].spec.count = 65535)
CHANGE(family_1, reply->rules.list[0].spec.host_addr.family = AF_UNIX)
CHANGE(target_family, reply->rules.target4.family = AF_INET6)
CHANGE(limit_large, reply->rules.list[0].limits.limits.of[0] = LIMIT_MAX + 1)
CHANGE(limit_other, reply->rules.list[0].limits.limits.of[0]++)
CHANGE(limit_of_all, reply->rules.limits.limits.of[0]++)
CHANGE(datapath_other, reply->rules.datapath = DATAPATH_SOCKMAP)
CHANGE(target_other, reply->rules.target4.family = AF_INET; reply->rules.target4.v4.s_addr = 1)
CHANGE(target_new, reply->rules.target6.family = AF_INET6)
CHANGE(host_other, reply->rules.list[0].spec.host_port++)
CHANGE(container_other, reply->rules.list[0].spec.container_port--)
CHANGE(count_other, reply->rules.list[0].spec.count--)
CHANGE(protocol_other, reply->rules.list[0].spec.protos = PROTO_UDP)
CHANGE(address_other, reply->rules.list[0].spec.host_addr.family = AF_INET)
CHANGE(removed, reply->rules.list[0].is_removed = true)
CHANGE(is_back, reply->rules.list[1].is_removed = false)
CHANGE(positive_error, reply->error = 1)
CHANGE(error_min, reply->error = INT32_MIN)
CHANGE(serial_next, reply->serial = request->serial + 1)
CHANGE(serial_before, reply->serial = request->serial - 1)

static void rules_that_make_no_sense_end_it(void **state)
{
	static void (*const changes[])(const struct forwarder_request *,
				       struct forwarder_reply *) = {
		n_20000, n_40, n_max, datapath_200, datapath_next, datapath_auto, rule_datapath_0,
		rule_datapath_auto, rule_datapath_next, spec_datapath_next,
		rule_datapath_other, spec_datapath_other, id_0, id_twice, id_unknown,
		removed_2, no_protocol, protocol_4, no_ports, past_the_end, family_1,
		target_family, limit_large, limit_other, limit_of_all, datapath_other,
		target_other, target_new, host_other, container_other, count_other,
		protocol_other, address_other, removed, is_back, positive_error, error_min, serial_next,
		serial_before,
	};

	assert_all_lost(changes, sizeof(changes) / sizeof(*changes), list);
	assert_lost(&(struct evil){ .len = 1 }, list);
	assert_lost(&(struct evil){ .len = sizeof(struct forwarder_reply) - 1 }, list);
}

/* As many as one page may have, for ever. */
static void pages(const struct forwarder_request *request, struct forwarder_reply *reply)
{
	for (uint32_t i = 0; i < FORWARDER_PAGE; i++)
		rule(&reply->rules.list[i], request->rules.after + 1 + i);
	reply->rules.n = FORWARDER_PAGE;
}

static void pages_same(const struct forwarder_request *request, struct forwarder_reply *reply)
{
	for (uint32_t i = 0; i < FORWARDER_PAGE; i++)
		rule(&reply->rules.list[i], 1 + i);
	reply->rules.n = FORWARDER_PAGE;
}

static void pages_come_to_an_end(void **state)
{
	assert_lost(&(struct evil){ .change = pages }, list);
	assert_lost(&(struct evil){ .change = pages_same }, list);
	assert_lost(&(struct evil){ .change = serial_before, .is_endless = true }, list);
}

#define WITH_RULES if (request->type == FORWARDER_CONNECTIONS)

CHANGE(open_40, WITH_RULES reply->open.n = 40)
CHANGE(open_max, WITH_RULES reply->open.n = UINT32_MAX)
CHANGE(open_twice, WITH_RULES reply->open.list[1] = reply->open.list[0])
CHANGE(open_falls, WITH_RULES reply->open.list[0].rule = 3)
CHANGE(open_rises, WITH_RULES { reply->open.list[1].rule = 1; reply->open.list[1].id = 8; })
CHANGE(open_unknown, WITH_RULES reply->open.list[1].rule = RULES + 1)
CHANGE(open_rule_0, WITH_RULES reply->open.list[0].rule = 0)
CHANGE(open_family, WITH_RULES reply->open.list[0].host.family = AF_UNIX)
CHANGE(open_host, WITH_RULES reply->open.list[0].host_port = 8082)
CHANGE(open_container, WITH_RULES reply->open.list[0].container_port = 79)
CHANGE(open_other_pair, WITH_RULES reply->open.list[1].container_port = 80)
CHANGE(open_bool, WITH_RULES BYTE(reply->open.list[0].is_connecting) = 255)

static void connections_that_make_no_sense_end_it(void **state)
{
	static void (*const changes[])(const struct forwarder_request *,
				       struct forwarder_reply *) = {
		open_40, open_max, open_twice, open_falls, open_rises, open_unknown, open_rule_0,
		open_family, open_host, open_container, open_other_pair, open_bool,
	};

	assert_all_lost(changes, sizeof(changes) / sizeof(*changes), stats);
}

static int get_sockets(struct error *err)
{
	struct forwarder_request request = {
		.type = FORWARDER_SOCKETS,
		.sockets = { .rule = 1, .container_port = 80, .count = 2 },
	};
	struct forwarder_reply reply;
	int fds[FORWARDER_SESSIONS_PAGE], r;
	size_t n;

	r = forwarder_get(&s.forwarder, &request, &reply, fds, FORWARDER_SESSIONS_PAGE, &n, err);
	if (r < 0)
		assert_int_equal(n, 0);
	while (n > 0)
		close(fds[--n]);
	return r;
}

static int get_sessions(struct error *err)
{
	struct forwarder_request request = { .type = FORWARDER_SESSIONS, .sessions = 5 };
	struct forwarder_reply reply;
	int fds[FORWARDER_SESSIONS_PAGE], r;
	size_t n;

	r = forwarder_get(&s.forwarder, &request, &reply, fds, FORWARDER_SESSIONS_PAGE, &n, err);
	if (r < 0)
		assert_int_equal(n, 0);
	while (n > 0)
		close(fds[--n]);
	return r;
}

static void session(struct forwarder_reply *reply)
{
	reply->sessions.n = 1;
	reply->sessions.list[0] = (struct forwarder_session){ .rule = 1, .container_port = 80 };
}

CHANGE(one_session, session(reply))
CHANGE(sessions_65, reply->sessions.n = FORWARDER_SESSIONS_PAGE + 1)
CHANGE(sessions_after, reply->sessions.after = 5)
CHANGE(session_bool, session(reply); BYTE(reply->sessions.list[0].is_replied) = 2)
CHANGE(session_rule, session(reply); reply->sessions.list[0].rule = RULES + 1)
CHANGE(session_port, session(reply); reply->sessions.list[0].container_port = 0)
CHANGE(session_next, session(reply); reply->sessions.list[0].container_port = 82)
CHANGE(session_removed, session(reply); reply->sessions.list[0].rule = DRAINING)
CHANGE(refusal, reply->error = -ENOENT)

static void what_is_handed_over_is_no_more_than_was_asked_for(void **state)
{
	static void (*const changes[])(const struct forwarder_request *,
				       struct forwarder_reply *) = {
		sessions_65, sessions_after, session_bool, session_rule, session_port,
		session_next, session_removed,
	};
	struct error err = { "" };

	assert_all_lost(changes, sizeof(changes) / sizeof(*changes), get_sessions);
	assert_lost(&(struct evil){ .change = one_session, .n_fds = 2 }, get_sessions);
	assert_lost(&(struct evil){ .n_fds = 3 }, get_sockets);
	assert_lost(&(struct evil){ .n_fds = 1, .change = refusal }, get_sockets);
	start(&(struct evil){ .change = one_session, .n_fds = 1 });
	assert_int_equal(get_sessions(&err), 0);
	assert_int_equal(forwarder_end(), 0);
	start(&(struct evil){ .n_fds = 2 });
	assert_int_equal(get_sockets(&err), 0);
	assert_int_equal(forwarder_end(), 0);
}

CHANGE(no_end, reply->error = -EPERM; memset(reply->text, 'x', sizeof(reply->text)))

static int remove_rule(uint32_t rule, bool drain)
{
	struct forwarder_request request = {
		.type = FORWARDER_REMOVE,
		.remove = { .rule = rule, .drain = drain },
	};

	return forwarder_call(&s.forwarder, &request, NULL, 0, NULL);
}

CHANGE(without_draining,
       if (request->type == FORWARDER_RULES && reply->rules.n == RULES) {
	       rule(&reply->rules.list[1], 3);
	       reply->rules.n--;
       })
CHANGE(two_left, if (request->type == FORWARDER_REMOVE) reply->connections = 2)

static const struct forwarder_told_rule *told(uint32_t rule)
{
	return forwarder_told_find(&s.forwarder.told, rule);
}

/* Once it is gone it is unknown; what lists it then is a lie. */
static void a_rule_that_is_gone_does_not_come_back(void **state)
{
	struct error err = { "" };

	start(&(struct evil){ .change = without_draining });
	assert_true(told(DRAINING)->is_removed);
	assert_int_equal(list(&err), 0);
	assert_null(told(DRAINING));
	assert_non_null(told(3));
	assert_int_equal(forwarder_end(), 0);
	/* at once, or as there were no connections */
	for (int drain = 0; drain < 2; drain++) {
		start(&(struct evil){ 0 });
		assert_int_equal(remove_rule(3, drain), 0);
		assert_null(told(3));
		assert_int_equal(list(&err), -EBADMSG);
		assert_int_equal(forwarder_end(), SIGKILL);
	}
	start(&(struct evil){ .change = two_left });
	assert_int_equal(remove_rule(3, true), 0);
	assert_true(told(3)->is_removed);
	assert_int_equal(list(&err), -EBADMSG);
	assert_int_equal(forwarder_end(), SIGKILL);
}

/* Nobody may ever ask for a list. */
static void removed_rules_do_not_pile_up(void **state)
{
	struct forwarder_request request = { .type = FORWARDER_RULES };
	struct forwarder_reply nothing = { 0 };
	struct forwarder_told *t = &s.forwarder.told;
	uint32_t rules = 100 * FORWARDER_PAGE;

	tell(rules);
	for (uint32_t id = 1; !forwarder_told_is_full(t); id++)
		forwarder_told_request(t, &(struct forwarder_request){
			.type = FORWARDER_REMOVE, .remove = { .rule = id, .drain = true } });
	assert_int_equal(t->n, rules);
	assert_in_range(t->n_removed, 1, 1000);
	forwarder_told_reply(t, &request, &nothing);
	assert_int_equal(t->n_removed, 0);
	assert_in_range(t->n, rules - 1000, rules - 1);
	forwarder_told_done(t);
}

static void a_text_ends_where_the_message_does(void **state)
{
	struct error err = { "" };

	start(&(struct evil){ .change = no_end });
	assert_int_equal(list(&err), -EPERM);
	assert_int_equal(strspn(err.text, "x"), ERROR_TEXT_MAX - 1);
	assert_int_equal(forwarder_end(), 0);
}

static void a_signal_ends_the_wait(void **state)
{
	uint64_t began = timer_now();
	struct error err = { "" };

	start(&(struct evil){ .is_silent = true });
	raise(SIGTERM);
	assert_int_equal(list(&err), -ECANCELED);
	assert_true(timer_now() - began < CLIENT_TIMEOUT_S * 1000);
	assert_false(s.forwarder.is_lost);
	assert_int_equal(forwarder_end(), 0);
}

/* Each page comes a moment before it would be given up. */
static void slowly(const struct forwarder_request *request, struct forwarder_reply *reply)
{
	poll(NULL, 0, CLIENT_PATIENCE_MS / 2);
	pages(request, reply);
}

static void a_signal_ends_the_wait_between_pages(void **state)
{
	struct error err = { "" };

	start(&(struct evil){ .change = slowly });
	forwarder_told_done(&s.forwarder.told);
	tell(100 * FORWARDER_PAGE);
	raise(SIGTERM);
	assert_int_equal(list(&err), -ECANCELED);
	assert_int_equal(forwarder_end(), 0);
}

/* Asks a netns child that has given this reply already; see netns_call(). */
static int netns_says(const struct netns_reply *said, size_t len, struct error *err)
{
	struct netns_request request = { .type = NETNS_ADDRESS };
	struct netns_reply reply;
	struct client c;
	int fds[2], r;

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), errno);
	client_init(&c);
	c.fd = fds[0];
	assert_int_equal(fd_send(fds[1], said, len, NULL, 0), 0);
	r = netns_call(&c, &request, -1, &reply, err);
	assert_int_equal(c.is_lost, r == -EBADMSG);
	client_done(&c, 0);
	close(fds[1]);
	return r;
}

static void the_netns_child_is_not_believed_either(void **state)
{
	static const struct netns_reply bad[] = {
		{ .error = 1 },
		{ .error = INT32_MIN },
		{ .status = -NSIG },
		{ .status = 256 },
		{ .address.family = AF_UNIX },
	};
	struct netns_reply reply = { .address.family = AF_INET, .text = "eth0" };
	struct error err = { "" };

	assert_int_equal(netns_says(&reply, sizeof(reply), &err), 0);
	assert_int_equal(netns_says(&reply, sizeof(reply) - 1, &err), -EBADMSG);
	assert_string_equal(err.text, "a message of the netns child makes no sense: it was ended");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(netns_says(&bad[i], sizeof(bad[i]), &err), -EBADMSG);
	memset(reply.text, 'x', sizeof(reply.text));
	assert_int_equal(netns_says(&reply, sizeof(reply), &err), -EBADMSG);
}

static void a_late_reply_is_not_taken_for_the_next(void **state)
{
	struct netns_reply late = { .address.family = AF_INET, .text = "late" };
	struct netns_reply next = { .address.family = AF_INET6, .text = "next" };
	struct netns_request request = { .type = NETNS_OTHER, .beside.family = AF_INET };
	struct error err = { "" };
	struct netns_reply reply;
	struct client c;
	int fds[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), errno);
	client_init(&c);
	c.fd = fds[0];
	assert_int_equal(netns_ask(&c, &request, &reply, &err), -ETIMEDOUT);
	assert_int_equal(netns_ask(&c, &request, &reply, &err), -ETIMEDOUT);
	assert_false(netns_late(&c));
	for (int i = 0; i < 2; i++)
		assert_int_equal(fd_send(fds[1], &late, sizeof(late), NULL, 0), 0);
	assert_true(netns_late(&c));
	assert_int_equal(fd_send(fds[1], &next, sizeof(next), NULL, 0), 0);
	assert_int_equal(netns_ask(&c, &request, &reply, &err), 0);
	assert_string_equal(reply.text, "next");
	assert_false(netns_late(&c));
	client_done(&c, 0);
	close(fds[1]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_honest_one_is_believed),
		cmocka_unit_test(rules_that_make_no_sense_end_it),
		cmocka_unit_test(pages_come_to_an_end),
		cmocka_unit_test(connections_that_make_no_sense_end_it),
		cmocka_unit_test(what_is_handed_over_is_no_more_than_was_asked_for),
		cmocka_unit_test(a_rule_that_is_gone_does_not_come_back),
		cmocka_unit_test(removed_rules_do_not_pile_up),
		cmocka_unit_test(a_text_ends_where_the_message_does),
		cmocka_unit_test(the_netns_child_is_not_believed_either),
		cmocka_unit_test(a_late_reply_is_not_taken_for_the_next),
		cmocka_unit_test(a_signal_ends_the_wait),
		cmocka_unit_test(a_signal_ends_the_wait_between_pages),
	};

	signal(SIGPIPE, SIG_IGN);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
