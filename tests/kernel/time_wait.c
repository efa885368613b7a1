/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whoever closes a connection first keeps its port for a minute (TIME_WAIT).
 * net.ipv4.tcp_tw_reuse is 2: connect(2) may take such a port again after a
 * second, but for loopback addresses only. A client that connects to another
 * address of its own namespace has some 28 000 ports a minute, and then
 * EADDRNOTAVAIL; with 1 it has them for every address.
 */
#include <net/if.h>

#include "kernel/process.h"
#include "kernel/socket.h"

#define OTHER "10.9.9.9"
#define TW_REUSE "/proc/sys/net/ipv4/tcp_tw_reuse"

static int listener;
static struct sockaddr_in at, other;

static void write_sysctl(const char *path, const char *text)
{
	int fd = (int)MUST(open(path, O_WRONLY | O_CLOEXEC));

	MUST(write(fd, text, strlen(text)));
	close(fd);
}

static void add_address(const char *text)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	struct ifreq ifr = { .ifr_name = "lo:1" };
	int fd = (int)MUST(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));

	inet_pton(AF_INET, text, &a.sin_addr);
	memcpy(&ifr.ifr_addr, &a, sizeof(a));
	MUST(ioctl(fd, SIOCSIFADDR, &ifr));
	close(fd);
}

/* Connects, ends the connection in order. Returns connect(2)'s result. */
static long connect_once(const struct sockaddr_in *to, bool client_first)
{
	int fd = (int)MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), peer, first;
	long r = RC(tcp_connect(fd, to));
	char byte;

	if (r < 0) {
		close(fd);
		return r;
	}
	peer = (int)MUST(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	first = client_first ? fd : peer;
	MUST(shutdown(first, SHUT_WR));
	MUST(read(client_first ? peer : fd, &byte, 1));
	close(client_first ? peer : fd);
	WAIT_UNTIL(tcp_info(first).tcpi_state == TCP_CLOSE);
	close(first);
	return 0;
}

int main(void)
{
	long result = 0;
	int tries;

	if (own_network() < 0)
		tap_skip_all("neither root nor user namespaces");
	add_address(OTHER);
	/* a single port takes the place of 28 232 */
	write_sysctl("/proc/sys/net/ipv4/ip_local_port_range", "40000 40000");
	write_sysctl(TW_REUSE, "2");
	listener = (int)MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	at = loopback(htons(8080));
	other = at;
	inet_pton(AF_INET, OTHER, &other.sin_addr);
	MUST(bind(listener,
		  &(struct sockaddr_in){ .sin_family = AF_INET, .sin_port = at.sin_port },
		  sizeof(at)));
	MUST(listen(listener, 10));

	tap_is(connect_once(&other, false), 0,
	       "a connection that the server closes first");
	tap_is(connect_once(&other, false), 0, "leaves the client its port");
	tap_is(connect_once(&other, true), 0, "one that the client closes first");
	tap_is(connect_once(&other, true), -EADDRNOTAVAIL, "does not");
	tap_is(connect_once(&at, true), 0, "nor one to 127.0.0.1");
	/* Linux 6.1 compares whole seconds: when one has just begun, it can be had again */
	for (tries = 0; tries < 5 && result == 0; tries++)
		result = connect_once(&at, true);
	tap_is(result, -EADDRNOTAVAIL, "at once");
	WAIT_UNTIL(connect_once(&at, true) == 0);
	tap_ok(true, "but after a second the port can be had again");
	tap_is(connect_once(&other, true), -EADDRNOTAVAIL,
	       "for the address that is not loopback it cannot, although older");
	write_sysctl(TW_REUSE, "1");
	tap_is(connect_once(&other, true), 0, "with tcp_tw_reuse=1 it can");
	return tap_end();
}
