/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS by the kernel (tls(7)): what the application sends in plain text must
 * never leave as such. Where the kernel has none, setting it fails, and that
 * is all there is to see.
 */
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "end.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif
#define SECRET "the plain text that nobody may see"

static int use_tls(struct end *e, int direction)
{
	struct tls12_crypto_info_aes_gcm_128 keys = {
		.info = { TLS_1_2_VERSION, TLS_CIPHER_AES_GCM_128 },
	};

	memcpy(keys.iv, "iviviviv", sizeof(keys.iv));
	memcpy(keys.key, "0123456789abcdef", sizeof(keys.key));
	memcpy(keys.salt, "salt", sizeof(keys.salt));
	if (setsockopt(e->fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) < 0)
		return -errno;
	return setsockopt(e->fd, SOL_TLS, direction, &keys, sizeof(keys)) < 0 ? -errno : 1;
}

static void encrypts(struct end *e)
{
	int r = use_tls(e, TLS_TX);

	say(e, "kTLS: %s", res(r));
	for (int i = 0; i < 100 && r > 0; i++)
		if (put(e, SECRET, sizeof(SECRET)) != sizeof(SECRET))
			break;
	shutdown(e->fd, SHUT_WR);
	ended(e);
}

/* What is on the wire is what a reader without the key gets. */
static void eavesdrops(struct end *e)
{
	static char data[100000];
	ssize_t n = get_full(e, data, sizeof(data));

	say(e, "received: %s", res(n));
	say(e, "plain text: %s", n > 0 && memmem(data, (size_t)n, SECRET, 10) ? "YES" : "none");
	say(e, "a TLS record: %s", n > 3 && !memcmp(data, "\27\3\3", 3) ? "yes" : "no");
}

static void decrypts(struct end *e)
{
	static char data[100 * sizeof(SECRET)];
	int r = use_tls(e, TLS_RX);

	say(e, "kTLS: %s", res(r));
	tell(e);
	if (r > 0) {
		say(e, "received: %s", res(get_full(e, data, sizeof(data))));
		say(e, "plain text: %s",
		    memmem(data, sizeof(data), SECRET, 10) ? "yes" : "none");
	}
	ended(e);
}

static void encrypts_later(struct end *e)
{
	heed(e);
	encrypts(e);
}

/* ---- set before the shunt can have taken the sender ----------------------------------- */

#define MUCH (3 << 20)
#define STEP (64 << 10)
#define HELLO "hello"
#define HEADER 5
#define OVERHEAD 24 /* of a record: nonce and tag */

static void begins(struct end *e)
{
	if (e->client)
		end_connect(e);
	else
		end_accept(e);
	set_blocking(e->fd, e->mode == BLOCKING);
}

/*
 * Each step is answered, so that nothing else would keep it off the shunt; it
 * has to leave encrypted, by its own leg.
 */
static void encrypts_early(struct end *e)
{
	char data[STEP], c;
	int r, answers = 0;

	begins(e);
	for (int i = 0; i < STEP; i++)
		data[i] = SECRET[(size_t)i % sizeof(SECRET)];
	say(e, "put: %s", res(put(e, HELLO, sizeof(HELLO))));
	r = use_tls(e, TLS_TX);
	say(e, "kTLS: %s", res(r));
	while (r > 0 && answers < MUCH / STEP && put(e, data, STEP) == STEP && get(e, &c, 1) == 1)
		answers++;
	say(e, "%d answers", answers);
	if (r > 0)
		say(e, "its own leg: %s", sent_by_tcp(e->fd) > MUCH ? "all" : "NOT ALL");
	shutdown(e->fd, SHUT_WR);
	ended(e);
}

/* Returns the bytes of plain text that the next record stands for; 0 when there is none. */
static size_t take_record(struct end *e, bool *leaks)
{
	unsigned char data[65536];
	bool is_record = get_full(e, data, HEADER) == HEADER && !memcmp(data, "\27\3\3", 3);
	size_t len = is_record ? (size_t)data[3] << 8 | data[4] : 1000;
	ssize_t n = get_full(e, data, len);

	*leaks |= n > 0 && memmem(data, (size_t)n, SECRET, 10);
	return is_record && n == (ssize_t)len && len > OVERHEAD ? len - OVERHEAD : 0;
}

static void eavesdrops_early(struct end *e)
{
	char hello[sizeof(HELLO)];
	size_t sum = 0, n;
	bool leaks = false;

	begins(e);
	say(e, "received: %s", res(get_full(e, hello, sizeof(hello))));
	do {
		n = take_record(e, &leaks);
		sum += n;
		if (n && sum % STEP == 0)
			put(e, "", 1);
	} while (n && sum < MUCH);
	say(e, "records of %zu bytes, and nothing else", sum);
	say(e, "plain text: %s", leaks ? "YES" : "none");
	shutdown(e->fd, SHUT_WR);
	ended(e);
}

const struct kase tls_cases[] = {
	{ "kTLS, from the start", IN_NONBLOCKING | IN_BLOCKING | UNCONNECTED, encrypts_early,
	  eavesdrops_early, NULL },
	{ "kTLS, on the wire", IN_ALL | ALL_FAMILIES, encrypts, eavesdrops, NULL },
	{ "kTLS, both ends", IN_ALL, encrypts_later, decrypts, NULL },
	{ 0 },
};
