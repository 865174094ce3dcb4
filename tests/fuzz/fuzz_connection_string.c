/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as the connection string of a device: parts within their rules, or a reason that is
 * printable and shows no value.
 */
#include "base/b64.h"
#include "config/config.h"
#include "config/config_connection_string.h"
#include "config/config_value.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

static void check_reason(const struct edge_error *err) {
    require(err->code == EDGE_CONFIG && err->text[0] != '\0');
    for (const char *c = err->text; *c != '\0'; c++) {
        require(*c >= ' ' && *c < 0x7F);
    }
}

/* The same parts, written anew, mean the same. */
static void check_again(const struct config_connection_string *s) {
    struct config_connection_string again;
    struct buf text;
    buf_init_sensitive(&text, 4096);
    require(buf_append_str(&text, "HostName=", NULL) == EDGE_OK);
    require(buf_append_slice(&text, s->host, NULL) == EDGE_OK);
    require(buf_append_str(&text, ";DeviceId=", NULL) == EDGE_OK);
    require(buf_append_slice(&text, s->device, NULL) == EDGE_OK);
    if (s->key.len > 0) {
        require(buf_append_str(&text, ";SharedAccessKey=", NULL) == EDGE_OK);
        require(b64_encode(s->key.data, s->key.len, &text, NULL) == EDGE_OK);
    }
    require(config_connection_string_parse(buf_slice(&text), &again, NULL) == EDGE_OK);
    require(slice_eq(again.host, s->host) && slice_eq(again.device, s->device));
    require(secret_equal(&again.key, &s->key));
    config_connection_string_clear(&again);
    buf_clear(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct config_connection_string s;
    struct edge_error err;
    if (config_connection_string_parse(slice_make(data, size), &s, &err) != EDGE_OK) {
        check_reason(&err);
        return 0;
    }
    require(config_value_hub_hostname(s.host) == NULL);
    require(config_value_device_id(s.device) == NULL);
    require(slice_find(s.device, ';') < 0);
    require(s.key.len <= CONFIG_KEY_MAX);
    check_again(&s);
    config_connection_string_clear(&s);
    return 0;
}
