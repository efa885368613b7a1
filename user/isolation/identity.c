/* SPDX-License-Identifier: Apache-2.0 */
#include "isolation/identity.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"

/*
 * Ids that no range of systemd, of login.defs(5) or of /etc/subuid reaches
 * (systemd's UIDS-GIDS.md: 2^31 and above are of no use to anybody), and one for
 * each process: a pid has 22 bits (PID_MAX_LIMIT, include/linux/threads.h).
 */
#define FIRST_ID 0xf0000000u

static void take_own_id(void)
{
	gid_t id = FIRST_ID + (gid_t)getpid();

	setgroups(0, NULL);
	if (setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0)
		log_debug("ids stay as they are: id %u: %s", id, errno_text(errno));
}

/* A change of ids clears it (prctl(2)); the parent may have ended meanwhile. */
static void restore_death_signal(int signal, pid_t parent)
{
	if (!signal)
		return;
	prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0);
	if (getppid() != parent)
		raise(signal);
}

/* Without CAP_SETPCAP this fails, and there is little to bound. */
static void empty_bounding_set(void)
{
	for (unsigned long cap = 0; prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++)
		;
}

/* Bits by number. libcap-ng would look into /proc, which may be gone. */
static uint64_t permitted(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data) < 0)
		return 0;
	return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

int identity_keep_capabilities(uint64_t keep)
{
	empty_bounding_set();
	keep &= permitted();
	capng_clear(CAPNG_SELECT_BOTH);
	for (unsigned int cap = 0; cap < 64; cap++)
		if (keep >> cap & 1)
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, cap);
	return capng_apply(CAPNG_SELECT_CAPS) < 0 ? -EPERM : 0;
}

int identity_drop(uint64_t keep)
{
	pid_t parent = getppid();
	int signal = 0;

	prctl(PR_GET_PDEATHSIG, &signal);
	/* while CAP_SETPCAP is there */
	empty_bounding_set();
	if (geteuid() == 0) {
		/* else the capabilities go with the id (capabilities(7)) */
		prctl(PR_SET_KEEPCAPS, keep != 0, 0, 0, 0);
		take_own_id();
		restore_death_signal(signal, parent);
	}
	return identity_keep_capabilities(keep);
}
