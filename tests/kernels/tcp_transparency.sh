# SPDX-License-Identifier: Apache-2.0
# What applications see, of the cases that depend on the kernel most: kTLS, which not every
# kernel has, and FIONREAD, which not every kernel gets right on the shunt; little memory; and
# `auto`, which has to be the shunt unless a self-test finds that this kernel differs.
ways="splice sockmap shunt shunt_memory"
[[ $("$PORTSHUNT" doctor) == *differs* ]] || ways+=" auto"
WAYS=$ways ONLY="poll, room is true|epoll, edges|kTLS, from the start|kTLS, on the wire|kTLS, both ends|FIONREAD|send|read|recv until a reset" \
	exec bash tests/e2e/transparency.sh
