/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal of `run`, where stdin, stdout and stderr are one and portshunt has it.
 *
 * The process group of the caller has no number in COMMAND's PID namespace, and a shell as dash
 * ends with status 2 when it cannot give the terminal back to the group that it found there. So
 * COMMAND gets a group of its own, led by its init, which has the terminal; and the caller's group
 * is told of what is typed there, ^C, ^\ and ^Z, as if it had the terminal itself.
 */
#pragma once

#include <stdbool.h>

struct supervisor;

/* terminal_is_ours - call before stdin is closed: is COMMAND to get the terminal? */
bool terminal_is_ours(const struct supervisor *s);

/* terminal_given - COMMAND has it. */
void terminal_given(struct supervisor *s);

/*
 * terminal_typed - the init got @signal, which went to COMMAND's group. Returns false for one
 * that the terminal does not send: the message is a lie.
 * terminal_continued - our group got SIGCONT: COMMAND has the terminal again if we have.
 */
bool terminal_typed(struct supervisor *s, int signal);
void terminal_continued(struct supervisor *s);
