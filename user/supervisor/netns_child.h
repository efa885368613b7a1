/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The netns child: the process inside the container's network namespace. It
 * makes sockets there for the forwarder; under `run` it is also the init of
 * the PID namespace and COMMAND's parent.
 */
#pragma once

/*
 * netns_child_main - the body of the hidden commands @netns and @init.
 * @control_fd and @forwarder_fd are SOCK_SEQPACKET sockets, taken over.
 * @command is COMMAND and its arguments for @init, NULL for @netns.
 * Returns the exit status.
 */
int netns_child_main(int control_fd, int forwarder_fd, char **command);
