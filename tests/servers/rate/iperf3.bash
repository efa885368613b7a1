# SPDX-License-Identifier: Apache-2.0
# iperf3: a select-driven sender, in both directions, with small and large writes.

needs="iperf3"
ports="5201"

start() {
	server_start iperf3 TERM 5201 iperf3 -s -B 127.0.0.1
}

loads() {
	cell "1 stream up" iperf3_rate 5201
	cell "1 stream down" iperf3_rate 5201 -R
	cell "8 streams up" iperf3_rate 5201 -P 8
	cell "8 streams down" iperf3_rate 5201 -P 8 -R
	cell "both directions" iperf3_rate 5201 --bidir
	cell "1 stream up, sendfile" iperf3_rate 5201 -Z
	cell "1 stream up, 1 KB writes, no delay" iperf3_rate 5201 -l 1k -N
	cell "1 stream down, 1 KB writes" iperf3_rate 5201 -l 1k -R
	cell "1 stream up, 1 MB writes" iperf3_rate 5201 -l 1M
	cell "1 stream down, 1 MB writes" iperf3_rate 5201 -l 1M -R
}
