/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of the control socket as text for people. */
#pragma once

#include "base/json.h"

/*
 * The value of "return" of each request, on stdout. What is missing in it is
 * shown as "-".
 */
void table_added(const struct json *value);
void table_removed(const struct json *value);
void table_list(const struct json *value);
void table_stats(const struct json *value);
void table_reloaded(const struct json *value);
