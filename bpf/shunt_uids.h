/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A set of users, in 64 bits: two of them may share one. */
#pragma once

#include "vmlinux/vmlinux.h"

#include <bpf/bpf_helpers.h>

/* A bit of a set; the multiplication (Fibonacci hashing) has uids such as 0 and 64 differ. */
static __always_inline __u64 shunt_uid_bit(__u32 uid)
{
	return 1ULL << (uid * 0x9e3779b1U >> 26);
}
