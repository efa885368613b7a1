/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that dropped its capabilities is open to every process of the same
 * user: to ptrace(2), pidfd_getfd(2) and /proc/PID/root, as ptrace(2), "Ptrace
 * access mode checking", explains. A container that shares the PID namespace
 * has such processes. What is not dumpable is closed to all that have not
 * CAP_SYS_PTRACE in the user namespace in which this program was executed.
 */
#pragma once

/*
 * isolation_hide - make this process not dumpable, and never dump core
 * (PR_SET_DUMPABLE, RLIMIT_CORE). Call it before capabilities or namespaces
 * change. It lasts until execve(2) or a change of credentials that gains
 * something, and children of fork(2) inherit it. Cannot fail (prctl(2)).
 */
void isolation_hide(void);

/*
 * isolation_no_new_privs - from now on no program that this process executes
 * gains anything by it (PR_SET_NO_NEW_PRIVS): newuidmap(1) would not work.
 */
void isolation_no_new_privs(void);
