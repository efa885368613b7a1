# SPDX-License-Identifier: Apache-2.0
# The whole TCP suite on sockmap: what holds on splice has to hold there.
if [ "$(id -u)" != 0 ]; then
	echo "1..0 # SKIP the programs of sockmap can be loaded by root only"
elif [ "${BPF:-1}" = 0 ]; then
	echo "1..0 # SKIP built without BPF"
else
	DATAPATH=sockmap exec bats --tap tests/e2e/tcp_*.bats
fi
