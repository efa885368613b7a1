/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The error about programs that the kernel refuses has the verifier's reason,
 * in the words of whichever kernel this is: without CAP_PERFMON it refuses
 * both datapaths' programs, Linux 6.1 because "R0 leaks addr into map", 6.18
 * because of a helper that they call. Without CAP_BPF nothing gets as far as
 * the verifier, and the errno is the reason.
 */
#include <cap-ng.h>
#include <errno.h>
#include <string.h>

#include "datapath/shunt.h"
#include "datapath/sockmap.h"
#include "kernel/tap.h"

#define LOADED "its programs cannot be loaded: "
#define REFUSED LOADED "refused by the verifier: "

static int open_shunt(struct error *err)
{
	struct shunt *shunt;

	return shunt_open(&shunt, err);
}

static int open_sockmap(struct error *err)
{
	struct sockmap *map;

	return sockmap_open(&map, err);
}

static void drop(unsigned int capability)
{
	capng_updatev(CAPNG_DROP, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_SYS_ADMIN,
		      capability, -1);
	if (capng_apply(CAPNG_SELECT_CAPS) < 0)
		tap_skip_all("cannot drop capabilities");
}

static void test_refused(int (*open)(struct error *err), const char *what)
{
	struct error err = { "" };

	tap_ok(open(&err) < 0 && strncmp(err.text, REFUSED, strlen(REFUSED)) == 0 &&
		       strstr(err.text + strlen(REFUSED), " "), what);
	tap_diag("%s", err.text);
}

static void test_forbidden(int (*open)(struct error *err), const char *what)
{
	struct error err = { "" };

	tap_ok(open(&err) < 0 && strcmp(err.text, LOADED "operation not permitted") == 0, what);
	tap_diag("%s", err.text);
}

int main(void)
{
	if (capng_get_caps_process() < 0)
		tap_skip_all("cannot read the capabilities");
	if (!capng_have_capability(CAPNG_EFFECTIVE, CAP_BPF) ||
	    !capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN))
		tap_skip_all("needs CAP_BPF and CAP_NET_ADMIN");
	drop(CAP_PERFMON);
	test_refused(open_sockmap, "the sockmap datapath names the verifier's reason");
	test_refused(open_shunt, "the shunt names the verifier's reason");
	drop(CAP_BPF);
	test_forbidden(open_sockmap, "the sockmap datapath names the errno without CAP_BPF");
	test_forbidden(open_shunt, "the shunt names the errno without CAP_BPF");
	return tap_end();
}
