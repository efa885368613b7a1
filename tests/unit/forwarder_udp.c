/* SPDX-License-Identifier: Apache-2.0 */
/* UDP sessions in the forwarder: who gets one, whose ends for that, and what goes with it. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "forwarder/hand_over.h"
#include "unit/forwarder_world.h"

#define CLIENTS 40

static int container; /* the server in it */
static uint16_t container_port;
static int clients[CLIENTS];
static struct rule *rule;
static struct udp_listener *listener;

static int begin_udp(void **state)
{
	uint16_t unused;

	world_begin(state);
	container = bound_socket(SOCK_DGRAM, &container_port);
	port = listen_to(1, true, container_port);
	start(false);
	rule = rule_find(&f, 1);
	listener = LIST_FIRST(&rule->udp_listeners);
	for (int i = 0; i < CLIENTS; i++)
		clients[i] = bound_socket(SOCK_DGRAM, &unused);
	return 0;
}

static int end_udp(void **state)
{
	world_end(state);
	close(container);
	for (int i = 0; i < CLIENTS; i++)
		close(clients[i]);
	return 0;
}

static void send_to(int fd, uint16_t to_port, const char *text)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(to_port) };

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, sizeof(to)),
			 strlen(text));
}

/* A datagram of that client, which arrives. Returns the port of its session. */
static uint16_t talk(int i, uint16_t at)
{
	struct sockaddr_in from = { 0 };
	socklen_t len = sizeof(from);
	char got[16];
	ssize_t n = -1;

	send_to(clients[i], at, "ping");
	UNTIL((n = recvfrom(container, got, sizeof(got), 0, (struct sockaddr *)&from, &len)) > 0);
	assert_int_equal(n, 4);
	return ntohs(from.sin_port);
}

static void talk_and_hear(int i, uint16_t at)
{
	send_to(container, talk(i, at), "pong");
	hear(clients[i], "pong");
}

static struct udp_session *first_session(enum udp_state state)
{
	return TAILQ_FIRST(&f.udp.pool.idle[state]);
}

static void a_session_and_all_of_it_goes(void **state)
{
	unsigned int before;

	talk(0, port);
	udp_forget(&f, NULL, AF_UNSPEC);
	before = count_fds() - 1; /* talk() takes one socket of the shelf, and none comes for it */
	talk_and_hear(0, port);
	assert_int_equal(f.udp.table.n, 1);
	assert_int_equal(rule->udp_sessions, 1);
	assert_ptr_equal(listener->last, first_session(UDP_REPLIED));
	/* as if it were held up: udp_brake.c */
	first_session(UDP_REPLIED)->is_held = true;
	TAILQ_INSERT_TAIL(&f.udp.braked_sessions, first_session(UDP_REPLIED), held);
	udp_forget(&f, NULL, AF_UNSPEC);
	assert_int_equal(f.udp.table.n, 0);
	assert_int_equal(rule->udp_sessions, 0);
	assert_null(listener->last);
	assert_true(TAILQ_EMPTY(&f.udp.braked_sessions));
	assert_true(count_fds() <= before + 1);
	assert_int_equal(rule->counts.accepted, 2);
	assert_int_equal(rule->counts.up.relayed, 8);
	assert_int_equal(rule->counts.down.relayed, 4);
}

static void only_those_that_are_meant_are_forgotten(void **state)
{
	uint16_t second = listen_to(2, true, container_port);

	open_rule(2, NULL);
	talk(0, port);
	talk(1, second);
	udp_forget(&f, NULL, AF_INET6);
	assert_int_equal(f.udp.table.n, 2);
	udp_forget(&f, rule, AF_UNSPEC);
	assert_int_equal(f.udp.table.n, 1);
	assert_int_equal(rule->udp_sessions, 0);
	udp_forget(&f, NULL, AF_INET);
	assert_int_equal(f.udp.table.n, 0);
}

/* That it was idle for so much longer, and a look at it. */
static void idle_for(struct udp_session *s, uint64_t seconds)
{
	s->seen -= 1000 * seconds;
	f.udp.timer_at = 1;
	timer_set(&f.udp.timer, 1);
	UNTIL(f.udp.timer_at != 1);
}

static void sessions_end_when_they_were_idle_long_enough(void **state)
{
	talk(0, port);
	talk_and_hear(1, port);
	assert_int_equal(f.udp.timer_at, first_session(UDP_UNREPLIED)->seen + 30000);
	idle_for(first_session(UDP_UNREPLIED), 29);
	assert_int_equal(f.udp.table.n, 2);
	idle_for(first_session(UDP_UNREPLIED), 2);
	UNTIL(f.udp.table.n == 1);
	/* and the timer is for the other one */
	assert_int_equal(f.udp.timer_at, first_session(UDP_REPLIED)->seen + 180000);
	idle_for(first_session(UDP_REPLIED), 170);
	assert_int_equal(f.udp.table.n, 1);
	idle_for(first_session(UDP_REPLIED), 11);
	UNTIL(f.udp.table.n == 0);
}

static void datagrams_either_way_keep_a_session(void **state)
{
	struct udp_session *s;
	uint16_t at = talk(0, port);

	s = first_session(UDP_UNREPLIED);
	s->seen -= 20000;
	talk(0, port);
	assert_int_equal(s->seen, f.udp.now);
	send_to(container, at, "pong");
	hear(clients[0], "pong");
	assert_ptr_equal(first_session(UDP_REPLIED), s);
	s->seen -= 20000;
	send_to(container, at, "pong");
	hear(clients[0], "pong");
	assert_int_equal(s->seen, f.udp.now);
}

static void at_the_limit_of_a_rule_its_oldest_makes_room(void **state)
{
	const struct limits limits = { .of = { [LIMIT_UDP_SESSIONS] = 2 } };
	uint16_t second = listen_to(2, true, container_port), oldest;
	struct rule *limited = rule_find(&f, 2);

	open_rule(2, &limits);
	talk(3, port); /* older, and of another rule */
	oldest = talk(0, second);
	talk(1, second);
	assert_int_equal(limited->gate.reached[LIMIT_UDP_SESSIONS], 0);
	talk(2, second);
	assert_int_equal(limited->udp_sessions, 2);
	assert_int_equal(rule->udp_sessions, 1);
	assert_int_equal(limited->gate.reached[LIMIT_UDP_SESSIONS], 1);
	/* whoever had made room is a new one */
	assert_int_not_equal(talk(0, second), oldest);
	assert_int_equal(limited->counts.accepted, 4);
}

static void at_the_limit_of_all_the_oldest_makes_room(void **state)
{
	f.gates.all.limits.of[LIMIT_UDP_SESSIONS] = 2;
	for (int i = 0; i < 3; i++)
		talk(i, port);
	assert_int_equal(f.udp.table.n, 2);
	assert_int_equal(f.gates.all.reached[LIMIT_UDP_SESSIONS], 1);
}

static void sessions_leave_descriptors_to_others(void **state)
{
	f.fd_limit = 20;
	for (int i = 0; i < 12; i++)
		talk(i, port);
	assert_int_equal(f.udp.table.n, forwarder_udp_max(&f));
}

/* Of eight that talk, inventing clients ends five: half of all, and one. */
static void who_invents_clients_gets_half(void **state)
{
	const struct limits limits = { .of = { [LIMIT_UDP_SESSIONS] = 8 } };
	uint16_t second = listen_to(2, true, container_port);
	struct udp_session *s;
	int replied = 0;

	open_rule(2, &limits);
	for (int i = 0; i < 8; i++)
		talk_and_hear(i, second);
	for (int i = 8; i < CLIENTS; i++)
		talk(i, second);
	TAILQ_FOREACH(s, &f.udp.pool.idle[UDP_REPLIED], idle[UDP_OF_ALL])
		replied++;
	assert_int_equal(replied, 3);
	assert_int_equal(f.udp.table.n, 8);
}

/* In one batch: the second client finds no room, since the first one's message is not sent. */
static void who_gets_no_session_costs_others_nothing(void **state)
{
	char got[8];

	f.gates.all.limits.of[LIMIT_UDP_SESSIONS] = 1;
	send_to(clients[0], port, "1");
	send_to(clients[1], port, "2");
	send_to(clients[0], port, "3");
	UNTIL(recv(container, got, sizeof(got), 0) == 1);
	assert_int_equal(*got, '1');
	UNTIL(recv(container, got, sizeof(got), 0) == 1);
	assert_int_equal(*got, '3');
}

/* The netns child gives no socket, and says nothing either. */
static void who_has_a_session_is_served_while_there_are_no_sockets(void **state)
{
	int silent[2];

	talk(0, port);
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, silent), errno);
	f.connector.make = NULL;
	f.connector.source.fd = silent[0];
	connector_forget(&f.connector, AF_INET, true);
	send_to(clients[1], port, "none");
	turns();
	assert_ptr_equal(listener->held, &f.udp.paused);
	talk(0, port);
	assert_int_equal(f.udp.table.n, 1);
	close(silent[1]);
}

static void an_error_holds_newcomers_up_for_a_moment(void **state)
{
	udp_refilled(&f, -EMFILE);
	assert_true(f.udp.starved_until > f.udp.now);
	udp_refilled(&f, 0);
	assert_int_equal(f.udp.starved_until, 0);
}

static void nothing_is_read_before_the_rule_is_open_and_while_it_is_paused(void **state)
{
	uint16_t second = listen_to(2, true, container_port);
	char got[8];

	send_to(clients[0], second, "a");
	turns();
	assert_int_equal(f.udp.table.n, 0);
	open_rule(2, NULL);
	UNTIL(recv(container, got, sizeof(got), 0) == 1);
	hand_over_pause(&f, true);
	send_to(clients[1], port, "b");
	turns();
	assert_int_equal(f.udp.table.n, 1);
	/* the timer of the pause has run out meanwhile, so that nothing else wakes it */
	timer_set(&f.udp.timer, 0);
	hand_over_pause(&f, false);
	UNTIL(recv(container, got, sizeof(got), 0) == 1);
}

static int session_socket(const char *address, uint16_t to_port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(to_port) };
	int fd = world_make(true, AF_INET);

	to.sin_addr.s_addr = inet_addr(address);
	assert_return_code(connect(fd, (struct sockaddr *)&to, sizeof(to)), errno);
	return fd;
}

static void sessions_are_adopted_that_lead_there(void **state)
{
	struct sockaddr_in at;
	socklen_t len = sizeof(at);
	struct forwarder_request adopt = {
		.type = FORWARDER_ADOPT,
		.adopt = { .rule = 1, .container_port = container_port, .is_replied = true,
			   .client = { .s6_addr = { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 } } },
	};
	struct forwarder_reply reply = { 0 };
	unsigned int before = count_fds();
	uint16_t other = listen_to(1, true, 7);
	int fd;

	assert_return_code(getsockname(clients[0], (struct sockaddr *)&at, &len), errno);
	adopt.adopt.client_port = at.sin_port;
	before++; /* the second listener */
	fd = session_socket("127.0.0.1", 9);
	assert_int_equal(obey(&adopt, &reply, &fd, 1), 0);
	fd = session_socket("127.0.0.2", container_port);
	assert_int_equal(obey(&adopt, &reply, &fd, 1), 0);
	adopt.adopt.rule = 5;
	fd = session_socket("127.0.0.1", container_port);
	assert_int_equal(obey(&adopt, &reply, &fd, 1), 0);
	/* none of them, and no descriptor stays */
	assert_int_equal(reply.connections, 0);
	assert_int_equal(f.udp.table.n, 0);
	assert_int_equal(count_fds(), before);
	adopt.adopt.rule = 1;
	fd = session_socket("127.0.0.1", container_port);
	assert_int_equal(obey(&adopt, &reply, &fd, 1), 0);
	assert_int_equal(reply.connections, 1);
	assert_non_null(first_session(UDP_REPLIED));
	assert_ptr_equal(first_session(UDP_REPLIED)->listener, listener);
	/* the same once more */
	fd = session_socket("127.0.0.1", container_port);
	assert_int_equal(obey(&adopt, &reply, &fd, 1), 0);
	assert_int_equal(reply.connections, 1);
	assert_int_equal(f.udp.table.n, 1);
	assert_int_equal(count_fds(), before + 1);
	(void)other;
}

static void sessions_are_told_with_their_rule(void **state)
{
	struct forwarder_request rules = { .type = FORWARDER_RULES };
	static struct forwarder_reply reply;

	talk(0, port);
	talk(1, port);
	assert_int_equal(obey(&rules, &reply, NULL, 0), 0);
	assert_int_equal(reply.rules.list[0].connections, 2);
}

static void a_listener_that_goes_is_closed_and_not_counted(void **state)
{
	struct forwarder_request remove = { .type = FORWARDER_REMOVE, .remove.rule = 1 };
	unsigned int before = count_fds();

	udp_listener_hold(listener, &f.udp.paused);
	udp_listener_hold(listener, &f.udp.braked);
	assert_ptr_equal(listener->held, &f.udp.paused);
	assert_int_equal(obey(&remove, NULL, NULL, 0), 0);
	assert_int_equal(f.listeners_open, 0);
	assert_int_equal(count_fds(), before - 1);
	assert_true(TAILQ_EMPTY(&f.udp.paused) && TAILQ_EMPTY(&f.udp.braked));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_udp, end_udp)
	static const struct CMUnitTest tests[] = {
		TEST(a_session_and_all_of_it_goes),
		TEST(only_those_that_are_meant_are_forgotten),
		TEST(sessions_end_when_they_were_idle_long_enough),
		TEST(datagrams_either_way_keep_a_session),
		TEST(at_the_limit_of_a_rule_its_oldest_makes_room),
		TEST(at_the_limit_of_all_the_oldest_makes_room),
		TEST(sessions_leave_descriptors_to_others),
		TEST(who_invents_clients_gets_half),
		TEST(who_gets_no_session_costs_others_nothing),
		TEST(who_has_a_session_is_served_while_there_are_no_sockets),
		TEST(an_error_holds_newcomers_up_for_a_moment),
		TEST(nothing_is_read_before_the_rule_is_open_and_while_it_is_paused),
		TEST(sessions_are_adopted_that_lead_there),
		TEST(sessions_are_told_with_their_rule),
		TEST(a_listener_that_goes_is_closed_and_not_counted),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
