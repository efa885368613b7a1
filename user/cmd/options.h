/* SPDX-License-Identifier: Apache-2.0 */
/* The options that `run` and `attach` share. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "supervisor/config.h"

/*
 * options_parse - read argv[1…] up to the first word that is no option.
 * *ret_rest is its index. The strings of @config point into argv.
 * Returns 0; 1 when --help was printed; -EINVAL with @err set.
 */
int options_parse(int argc, char **argv, struct config *config, int *ret_rest,
		  struct error *err);

/*
 * options_read_environment - PORTSHUNT_DATAPATH, PORTSHUNT_LIMIT and PORTSHUNT_RULE_LIMIT.
 * Returns 0, or -EINVAL with @err set.
 */
int options_read_environment(struct config *config, struct error *err);

void config_init(struct config *config);
void config_done(struct config *config);
