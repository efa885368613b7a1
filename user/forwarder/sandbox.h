/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the forwarder gives up before it reads the first byte of a client:
 * every capability, new privileges, and all system calls but those of the
 * loop and the datapath. It opens no file afterwards, and makes no socket where
 * a netns child does that.
 */
#pragma once

#include <stdbool.h>

/*
 * sandbox_enter - @bpf: keep the few commands of bpf(2) that the shunt uses
 * while it runs. @sockets: keep making sockets of IPv4 and IPv6.
 * Returns 0 or -errno.
 */
int sandbox_enter(bool bpf, bool sockets);
