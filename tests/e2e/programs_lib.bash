# SPDX-License-Identifier: Apache-2.0
# BPF programs in the kernel: which are new since the test began, and that they go.

# programs_note PREFIX - from here on, programs whose name begins so are new.
programs_note() {
	programs_prefix=$1
	programs_before=$(programs)
}

# programs - the ids of those in the kernel, ours and anybody's
programs() {
	bpftool prog show | sed -n "s/^\([0-9]*\): .* name ${programs_prefix}.*/\1/p" | sort
}

# Those that were there before do not count: the kernel may be late to free what an earlier
# test left.
new_in_kernel() {
	comm -13 <(echo "$programs_before") <(programs)
}

nothing_new_in_kernel() {
	[ -z "$(new_in_kernel)" ]
}

# gone_from_kernel - within a second
gone_from_kernel() {
	eventually 1 nothing_new_in_kernel || { bpftool prog show; return 1; }
}
