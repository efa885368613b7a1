/* SPDX-License-Identifier: Apache-2.0 */
/* The modes, each run with its options to its end; they return the exit status. */
#pragma once

#include "options.h"

int transfer_client(const struct options *o);
int transfer_server(const struct options *o);
int oob_client(const struct options *o);
int oob_server(const struct options *o);
int connect_client(const struct options *o);
int hold_client(const struct options *o);
int hold_server(const struct options *o);
int bench_throughput(const struct options *o);
int bench_transactions(const struct options *o); /* rr, crr, wwr */
int udp_echo_client(const struct options *o);
int udp_echo_server(const struct options *o);
int udp_hold_client(const struct options *o);
int bench_udp(const struct options *o);
int taker(const struct options *o);
int giver(const struct options *o);
int bench_server(const struct options *o);
