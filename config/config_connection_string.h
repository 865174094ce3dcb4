/* SPDX-License-Identifier: MIT */
/*
 * Connection string of a device: "HostName=HUB;DeviceId=ID;SharedAccessKey=KEY". Pure.
 */
#ifndef CONFIG_CONFIG_CONNECTION_STRING_H
#define CONFIG_CONFIG_CONNECTION_STRING_H

#include "base/error.h"
#include "base/secret.h"
#include "base/slice.h"

struct config_connection_string {
    struct slice host;   /* valid name of a hub; borrowed from the text */
    struct slice device; /* valid device id; borrowed from the text */
    struct secret key;   /* decoded, 1 to CONFIG_KEY_MAX bytes; empty: the text has none, so that it
                            must have been imported before */
};

/* Parts are separated by ';', name and value by the first '='; names are case-sensitive, unknown
 * ones have no meaning, of a repeated one the last counts, blanks belong to the value. *ret belongs
 * to the caller (config_connection_string_clear). Errors: CONFIG with a text that names the part
 * and never shows a value; NOMEM. */
enum edge_code config_connection_string_parse(struct slice text,
                                              struct config_connection_string *ret,
                                              struct edge_error *err) EDGE_NODISCARD;

void config_connection_string_clear(struct config_connection_string *s); /* idempotent */

#endif
