// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The shunt for Linux 7.3 and later, where a tc program may look a socket up
 * but not put it into a sockhash (the verifier: "cannot update sockmap in this
 * context"). An iterator may, so the capture takes two steps there.
 */
#define CAPTURE_BY_ITERATOR
#include "bpf/shunt.bpf.c"
