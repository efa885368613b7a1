/* SPDX-License-Identifier: Apache-2.0 */
/* Options of run and attach that do nothing without others: they are errors. */
#pragma once

#include "base/error.h"
#include "supervisor/config.h"

/*
 * effect_check - whether --@option, a long option that was given, has an effect with all of
 * @config. Returns 0, or -EINVAL with @err set.
 */
int effect_check(const char *option, const struct config *config, struct error *err);
