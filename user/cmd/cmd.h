/* SPDX-License-Identifier: Apache-2.0 */
/* The commands: each takes its own argument list and returns an exit status. */
#pragma once

int cmd_run(int argc, char **argv);
int cmd_attach(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_control(int argc, char **argv); /* add, remove, list, stats, reload */

/* Drop-ins: the whole argv, and whatever name it was started under. */
int cmd_docker_proxy(int argc, char **argv);
int cmd_rootlessport(int argc, char **argv);

/* Not for users: what the supervisor starts (supervisor/process.h). */
int cmd_forwarder(int argc, char **argv);
int cmd_netns(int argc, char **argv);
