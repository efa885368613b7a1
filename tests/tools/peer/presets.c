/* SPDX-License-Identifier: Apache-2.0 */
#include "presets.h"

#include <stdio.h>
#include <string.h>

#include "modes.h"

enum { SENDS = 1, EXPECTS = 2 };

/* What --bytes means, and how a side starts and ends, if it has a plan. */
struct side {
	int (*run)(const struct options *o);
	unsigned int bytes;
	enum after after;
	enum finish finish;
	bool echo;
};

struct preset {
	const char *name;
	const char *help;
	struct side client, server;
};

#define TRANSFER_CLIENT .run = transfer_client
#define TRANSFER_SERVER .run = transfer_server

static const struct preset presets[] = {
	{ "sink", "reads to EOF; --bytes: that many are right",
	  { TRANSFER_CLIENT, .bytes = EXPECTS, .finish = FINISH_HOLD },
	  { TRANSFER_SERVER, .bytes = EXPECTS, .finish = FINISH_HOLD } },
	{ "source", "sends --bytes, shuts its side down, reads to EOF",
	  { TRANSFER_CLIENT, .bytes = SENDS },
	  { TRANSFER_SERVER, .bytes = SENDS } },
	{ "echo", "the server sends back what comes; the client sends --bytes",
	  { TRANSFER_CLIENT, .bytes = SENDS | EXPECTS, .echo = true },
	  { TRANSFER_SERVER, .bytes = EXPECTS, .echo = true } },
	{ "bulk", "both send --bytes at once",
	  { TRANSFER_CLIENT, .bytes = SENDS | EXPECTS },
	  { TRANSFER_SERVER, .bytes = SENDS | EXPECTS, .after = AFTER_DATA } },
	{ "half-close", "the client sends --bytes and shuts its side; then the server does",
	  { TRANSFER_CLIENT, .bytes = SENDS | EXPECTS },
	  { TRANSFER_SERVER, .bytes = SENDS | EXPECTS, .after = AFTER_EOF } },
	{ "server-half-close", "the same, the server first",
	  { TRANSFER_CLIENT, .bytes = SENDS | EXPECTS, .after = AFTER_EOF },
	  { TRANSFER_SERVER, .bytes = SENDS | EXPECTS } },
	{ "rst", "sends --bytes, reads --read, waits for --unread, closes with a reset",
	  { TRANSFER_CLIENT, .bytes = SENDS, .finish = FINISH_RST },
	  { TRANSFER_SERVER, .bytes = SENDS, .finish = FINISH_RST } },
	{ "exchange", "nothing but what --send, --after, --finish … say",
	  { TRANSFER_CLIENT, .bytes = SENDS },
	  { TRANSFER_SERVER, .bytes = SENDS } },
	{ "oob-send", "--marks times: --gap bytes, an urgent one, --tail bytes, an answer",
	  { .run = oob_client }, { .run = oob_server } },
	{ "oob-recv", "the other side of it; --inline for SO_OOBINLINE",
	  { .run = oob_client }, { .run = oob_server } },
	{ "connect", "how a connection ends where perhaps nobody listens",
	  { .run = connect_client }, { .run = NULL } },
	{ "hold", "--connections that are only there, and with --ping are known to work",
	  { .run = hold_client }, { .run = hold_server } },
	{ "udp-echo", "a datagram of each size of --write-size, and its echo; --step N",
	  { .run = udp_echo_client }, { .run = udp_echo_server } },
	{ "udp-hold", "--connections clients of udp-echo, told by stdin what to do",
	  { .run = udp_hold_client }, { .run = NULL } },
	{ "taker", "takes over from the portshunt with the control socket --socket, by hand",
	  { .run = NULL }, { .run = taker } },
	{ "giver", "listens at the control socket --socket, and answers by hand",
	  { .run = NULL }, { .run = giver } },
	{ "bench", "the server of all the loads below", { .run = NULL }, { .run = bench_server } },
	{ "throughput", "one way: --streams, --write-size, --down",
	  { .run = bench_throughput }, { .run = NULL } },
	{ "rr", "requests and responses: --flows, --request, --response",
	  { .run = bench_transactions }, { .run = NULL } },
	{ "crr", "a connection for each request", { .run = bench_transactions }, { .run = NULL } },
	{ "udp", "datagrams one way: --write-size, --rate, --down",
	  { .run = bench_udp }, { .run = NULL } },
	{ "wwr", "--writes small writes, then a read",
	  { .run = bench_transactions }, { .run = NULL } },
};

#define N_PRESETS (sizeof(presets) / sizeof(presets[0]))

static const struct side *side_of(const struct options *o)
{
	const struct side *side;
	size_t i;

	for (i = 0; i < N_PRESETS; i++) {
		if (strcmp(presets[i].name, o->mode) != 0)
			continue;
		side = o->is_server ? &presets[i].server : &presets[i].client;
		return side->run ? side : NULL;
	}
	return NULL;
}

bool presets_apply(struct options *o)
{
	const struct side *side = side_of(o);

	if (!side)
		return false;
	o->plan.after = side->after;
	o->plan.finish = side->finish;
	o->plan.echo = side->echo;
	if (side->run == bench_throughput || side->run == bench_transactions)
		o->io = IO_BLOCKING;
	return true;
}

void presets_bytes(struct options *o)
{
	const struct side *side = side_of(o);

	if (o->bytes == PEER_UNLIMITED)
		return;
	if (side->bytes & SENDS)
		o->plan.send = o->bytes;
	if (side->bytes & EXPECTS)
		o->plan.expect = o->bytes;
}

int presets_run(const struct options *o)
{
	return side_of(o)->run(o);
}

static const char help_head[] =
"peer: client and server of portshunt's tests and benchmarks\n"
"\n"
"  peer server MODE [OPTIONS]\n"
"  peer client MODE [OPTIONS] ADDR PORT\n"
"\n"
"Modes (c: of a client, s: of a server):\n";

static const char help_options[] =
"\n"
"Sizes take k, m or g (powers of 1024). A range is MIN-MAX or one number.\n"
"\n"
"Sockets\n"
"  -4, -6               a server listens on this family only (default: both)\n"
"  --bind ADDR          a server's address\n"
"  --port PORT[-END]    a server's ports; 0 (default): a free one, printed\n"
"  --source ADDR        a client's own address; --sources N: that many from there on\n"
"  --netns PATH         make the sockets in that network namespace\n"
"  --ready-fd N         the port's number and a newline when listening, then closed\n"
"  --blocking, --poll, --epoll\n"
"                       a thread for each way; ask before each call; edge-triggered\n"
"                       (default: epoll, for loads blocking)\n"
"  --nodelay on|off     TCP_NODELAY (default: on for rr, crr, wwr)\n"
"  --rcvbuf N, --sndbuf N\n"
"  --connections N, --streams N\n"
"                       open, or serve, so many (default 1)\n"
"  --deadline S         end with status 124 then (default 60, 0: never), on a slow\n"
"                       machine after $PATIENCE times as long\n"
"  --control            commands come on stdin; its end is the end\n"
"\n"
"Plans: what a side does with each connection\n"
"  --send N             bytes to send, a pattern that the receiver checks\n"
"  --expect N           bytes that have to come, else the status is 1\n"
"  --bytes N            either or both, as the mode has it\n"
"  --after now|data|eof when to begin: at once, after the first 8 bytes, after EOF\n"
"  --finish shutdown|hold|close|rst\n"
"                       when all is sent: shut its side down and read on; read on;\n"
"                       close at once; close with a reset\n"
"  --read N, --unread N with close and rst: read N bytes first; wait until N more\n"
"                       are there, unread\n"
"  --write-size RANGE, --read-size RANGE\n"
"                       of each call (64k, 256k)\n"
"  --stop-after N       read no more after N bytes until stdin says \"resume\"\n"
"  --read-pause MS      a slow reader: wait after each read\n"
"  --until-blocked MS   print \"blocked: N bytes accepted\" when a write has found\n"
"                       no room for so long; then go on\n"
"  --stall              print \"longest gap: N ms\" without a byte coming\n"
"  --seed N\n"
"\n"
"connect:  --bytes N    say something after connecting\n"
"oob:      --gap N (1000), --tail N (1000), --marks N (1), --inline\n"
"hold:     --ping       each connection carries a byte to and fro before it counts\n"
"          stdin of the client: open N, ping MS, close N, status; of the server: status\n"
"udp-hold: stdin: ping MS, send, listen MS [N], close N; of udp-echo: status, tell,\n"
"          forget\n"
"loads:    --seconds S (3), --down, --write-size N, --streams N, --rate N (0: as fast\n"
"          as can be) datagrams/s, or connections/s of crr; --flows N (1),\n"
"          --request N (1), --response N (1), --writes N (5), --client-closes\n"
"\n"
"A transfer prints what it saw of each connection:\n"
"  sent: N bytes, sum X    send: EPIPE | ECONNRESET     (send: only on errors)\n"
"  received: N bytes, sum X\n"
"  wrong: byte at N        recv: EOF | ECONNRESET | …\n"
"Status: 0, 1 when something was not as planned, 2 usage, 124 deadline.\n";

void presets_help(void)
{
	size_t i;

	fputs(help_head, stdout);
	for (i = 0; i < N_PRESETS; i++)
		printf("  %s%s %-18s %s\n", presets[i].client.run ? "c" : " ",
		       presets[i].server.run ? "s" : " ", presets[i].name, presets[i].help);
	fputs(help_options, stdout);
}
