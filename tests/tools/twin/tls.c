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
		.iv = "iviviviv", .key = "0123456789abcdef", .salt = "salt",
	};

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
	if (r < 0)
		return;
	say(e, "received: %s", res(get_full(e, data, sizeof(data))));
	say(e, "plain text: %s", memmem(data, sizeof(data), SECRET, 10) ? "yes" : "none");
	ended(e);
}

static void encrypts_later(struct end *e)
{
	heed(e);
	encrypts(e);
}

const struct kase tls_cases[] = {
	{ "kTLS, on the wire", IN_ALL | ALL_FAMILIES, encrypts, eavesdrops, NULL },
	{ "kTLS, both ends", IN_ALL, encrypts_later, decrypts, NULL },
	{ NULL },
};
