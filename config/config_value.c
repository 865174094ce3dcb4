/* SPDX-License-Identifier: MIT */
/*
 * Rules for single values.
 */
#include "config/config_value.h"

#include "base/b64.h"
#include "config/config.h"

#include <string.h>

static bool is_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool consists_of(struct slice value, const char *signs) {
    for (size_t i = 0; i < value.len; i++) {
        if (!is_alnum(value.ptr[i]) &&
            (value.ptr[i] == '\0' || strchr(signs, value.ptr[i]) == NULL)) {
            return false;
        }
    }
    return true;
}

static bool has_capitals(struct slice value) {
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] >= 'A' && value.ptr[i] <= 'Z') {
            return true;
        }
    }
    return false;
}

bool config_value_is_placeholder(struct slice value) {
    struct slice v = slice_trim(value);
    return v.len >= 2 && ((v.ptr[0] == '<' && v.ptr[v.len - 1] == '>') ||
                          (v.ptr[0] == '{' && v.ptr[v.len - 1] == '}'));
}

const char *config_value_hostname(struct slice value) {
    if (value.len == 0) {
        return "is empty; give the name of this machine";
    }
    if (config_value_is_placeholder(value)) {
        return "still holds the placeholder of the template; give the name of this machine";
    }
    if (value.len > CONFIG_HOSTNAME_MAX) {
        return "is longer than 64 bytes, so that edgeHub could not get a certificate for it";
    }
    for (size_t i = 0; i < value.len; i++) {
        if ((unsigned char)value.ptr[i] < ' ' || value.ptr[i] == 0x7F) {
            return "contains a control character";
        }
    }
    return NULL;
}

const char *config_value_hostname_doubt(struct slice value) {
    if (!consists_of(value, ".-")) {
        return "contains other characters than letters, digits, '.' and '-'; leaf devices may "
               "refuse the certificate of edgeHub";
    }
    return NULL;
}

const char *config_value_registration_id(struct slice value) {
    if (value.len == 0) {
        return "is empty";
    }
    if (config_value_is_placeholder(value)) {
        return "still holds the placeholder of the template";
    }
    if (value.len > CONFIG_REGISTRATION_ID_MAX) {
        return "is longer than 128 characters";
    }
    if (!consists_of(value, "-._:")) {
        return "contains other characters than letters, digits, '-', '.', '_' and ':'";
    }
    char last = value.ptr[value.len - 1];
    if (!is_alnum(last) && last != '-') {
        return "must end with a letter, a digit or '-'";
    }
    return NULL;
}

const char *config_value_registration_id_doubt(struct slice value) {
    if (has_capitals(value) || !consists_of(value, "-")) {
        return "has other characters than small letters, digits and '-'; the DPS takes that, "
               "but it compares without regard to case and older tools refuse it";
    }
    return NULL;
}

const char *config_value_scope_id(struct slice value) {
    if (value.len == 0) {
        return "is empty; the overview page of the DPS instance shows it as ID scope";
    }
    if (config_value_is_placeholder(value)) {
        return "still holds the placeholder of the template; the overview page of the DPS "
               "instance shows the ID scope";
    }
    if (value.len > CONFIG_SCOPE_ID_MAX || !consists_of(value, "-._~")) {
        return "is no ID scope (letters and digits, like 0ne00123ABC)";
    }
    return NULL;
}

static bool holds_any(struct slice value, const char *signs) {
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] != '\0' && strchr(signs, value.ptr[i]) != NULL) {
            return true;
        }
    }
    return false;
}

const char *config_value_hub_hostname(struct slice value) {
    if (value.len == 0) {
        return "is empty; the overview page of the hub shows its host name";
    }
    if (holds_any(value, "<>{}")) {
        return "still holds a placeholder; the overview page of the hub shows its host name";
    }
    if (holds_any(value, "/")) {
        return "must be a host name alone, without https:// and without a path";
    }
    struct slice host = value, port = {0};
    uint64_t number = 0;
    if (slice_cut(value, ':', &host, &port) &&
        (!slice_parse_u64(port, UINT16_MAX, &number) || number == 0)) {
        return "has a ':' with no port number after it";
    }
    if (host.len == 0 || !consists_of(host, ".-_")) {
        return "contains other characters than letters, digits, '.', '-' and '_'";
    }
    if (value.len > CONFIG_HUB_HOSTNAME_MAX) {
        return "is longer than 253 characters";
    }
    return NULL;
}

const char *config_value_hub_hostname_doubt(struct slice value) {
    if (holds_any(value, ":")) {
        return "has a port, as only a stand-in for a hub needs; modules use the usual ports";
    }
    if (slice_find(value, '.') < 0) {
        return "has no domain; the full name is needed, like HUB.azure-devices.net";
    }
    if (!is_alnum(value.ptr[0]) || !is_alnum(value.ptr[value.len - 1]) ||
        !consists_of(value, ".-")) {
        return "is no regular host name (letters, digits, '.' and '-', with a letter or digit at "
               "both ends)";
    }
    return NULL;
}

const char *config_value_device_id(struct slice value) {
    if (value.len == 0) {
        return "is empty; it is the device's name in the hub";
    }
    if (holds_any(value, "<>{}")) {
        return "still holds a placeholder; it is the device's name in the hub";
    }
    if (value.len > CONFIG_DEVICE_ID_MAX) {
        return "is longer than 128 characters";
    }
    if (!consists_of(value, "-:.+%_#*?!(),=@;$'")) {
        return "contains a character that no device id has (letters, digits and "
               "-:.+%_#*?!(),=@;$')";
    }
    return NULL;
}

const char *config_value_device_id_doubt(struct slice value) {
    if (!consists_of(value, "-:._")) {
        return "has other characters than letters, digits and '-', '.', '_', ':'; the hub takes "
               "that, but not every tool does";
    }
    return NULL;
}

enum edge_code config_value_key(struct slice value, struct secret *ret, const char **ret_reason,
                                struct edge_error *err) {
    if (value.len == 0) {
        *ret_reason = "is empty";
    } else if (holds_any(value, "<>{}")) {
        *ret_reason = "still holds a placeholder";
    } else if (holds_any(value, " \t\r\n")) {
        *ret_reason = "contains a blank or a line break, which base64 does not have";
    } else if (holds_any(value, "-_")) {
        *ret_reason = "is base64 for URLs; '-' and '_' must be '+' and '/'";
    } else {
        enum edge_code code = b64_decode_secret(value, CONFIG_KEY_MAX, ret, err);
        if (code == EDGE_OK && ret->len > 0) {
            return EDGE_OK;
        }
        if (code == EDGE_NOMEM) {
            return code;
        }
        *ret_reason = code == EDGE_RANGE ? "is longer than 64 bytes" : "is not base64";
    }
    secret_clear(ret);
    return edge_set(err, EDGE_CONFIG, "%s", *ret_reason);
}

const char *config_value_no_proxy(struct slice value) {
    if (value.len > CONFIG_NO_PROXY_MAX) {
        return "is longer than 4096 characters";
    }
    if (slice_find(value, ';') >= 0) {
        return "is separated by commas, not by semicolons";
    }
    for (size_t i = 0; i + 2 < value.len; i++) {
        if (slice_starts_with(slice_make(value.ptr + i, value.len - i), "://")) {
            return "lists host names and addresses, not URLs";
        }
    }
    if (!consists_of(value, ".-_*:[]/, ")) {
        return "contains a character that no host name, address or network has";
    }
    return NULL;
}

bool config_value_numbers(struct slice value, uint64_t max, uint32_t *ret_bits) {
    uint32_t bits = 0;
    struct slice rest = value;
    bool more = true;
    while (more) {
        struct slice item = rest;
        uint64_t number = 0;
        more = slice_cut(rest, ',', &item, &rest);
        if (!slice_parse_u64(slice_trim(item), max, &number)) {
            return false;
        }
        bits |= UINT32_C(1) << number;
    }
    *ret_bits = bits;
    return true;
}

/* One part of the path, or the last with its tag and digest. */
static bool is_image_part(struct slice part) {
    bool dots_only = true;
    for (size_t i = 0; i < part.len; i++) {
        dots_only = dots_only && part.ptr[i] == '.';
    }
    return part.len > 0 && !dots_only && consists_of(part, "._-+:@[]");
}

/* Of the path behind the registry; tags and digests may have them. */
static bool has_capital_path(struct slice value) {
    struct slice path, head, rest = value;
    bool first = true;
    while (slice_cut(rest, '/', &head, &rest)) {
        if (!first && has_capitals(head)) {
            return true;
        }
        first = false;
    }
    path = rest;
    (void)slice_cut(path, '@', &path, &head);
    (void)slice_cut(path, ':', &path, &head);
    return has_capitals(path);
}

const char *config_value_image(struct slice value) {
    const char *shape = "is no name of an image, like registry.example/agent:1.1";
    struct slice head, rest = value;
    if (value.len == 0) {
        return "is empty; give the image of edgeAgent";
    }
    if (config_value_is_placeholder(value)) {
        return "still holds a placeholder; give the image of edgeAgent";
    }
    if (slice_starts_with(value, "http:") || slice_starts_with(value, "https:")) {
        return "is no name of an image: leave out http:// or https://";
    }
    if (value.len > CONFIG_IMAGE_MAX) {
        return "is longer than 511 bytes";
    }
    if (!is_alnum(value.ptr[0]) && value.ptr[0] != '[') {
        return shape;
    }
    while (slice_cut(rest, '/', &head, &rest)) {
        if (!is_image_part(head)) {
            return shape;
        }
    }
    if (!is_image_part(rest)) {
        return shape;
    }
    return has_capital_path(value) ? "has capital letters: the engine takes them in the tag only"
                                   : NULL;
}

const char *config_value_ip_address(struct slice value) {
    uint8_t ip[SLICE_IP_MAX];
    size_t len = 0;
    return slice_parse_ip(value, ip, &len) ? NULL : "is no IP address";
}

const char *config_value_ip_range(struct slice value) {
    struct slice address, bits;
    uint8_t ip[SLICE_IP_MAX];
    size_t len = 0;
    uint64_t number = 0;
    return slice_cut(value, '/', &address, &bits) && slice_parse_ip(address, ip, &len) &&
                   slice_parse_u64(bits, 8 * len, &number)
               ? NULL
               : "is no range ADDRESS/BITS, like 172.30.0.0/16";
}

const char *config_value_absolute_path(struct slice value) {
    if (value.len == 0) {
        return "is empty; give an absolute path";
    }
    if (value.ptr[0] != '/') {
        return "must be an absolute path";
    }
    return NULL;
}

static struct slice tcti_conf(struct slice value) {
    struct slice name = value;
    struct slice conf = slice_make(NULL, 0);
    (void)slice_cut(value, ':', &name, &conf);
    return conf;
}

const char *config_value_tcti(struct slice value) {
    if (value.len == 0 || !is_alnum(value.ptr[0])) {
        return "must be NAME:CONFIG, for example device:/dev/tpmrm0";
    }
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] <= ' ' || value.ptr[i] >= 0x7F) {
            return "contains a blank or a character that is not ASCII";
        }
    }
    if (slice_eq_str(value, "device") || slice_eq_str(value, "device:")) {
        return "does not say which device; write device:/dev/tpmrm0";
    }
    if (slice_starts_with(value, "device:") && !slice_starts_with(tcti_conf(value), "/")) {
        return "needs the absolute path of a device node, for example device:/dev/tpmrm0";
    }
    return NULL;
}

bool config_value_tcti_is_device(struct slice value) {
    return slice_starts_with(value, "device:/");
}

bool config_value_is_tls_version(struct slice value) {
    static const char *const spellings[] = {"tls",    "tls1",   "tls10",  "tls1.0", "tls1_0",
                                            "tlsv10", "tls11",  "tls1.1", "tls1_1", "tlsv11",
                                            "tls12",  "tls1.2", "tls1_2", "tlsv12"};
    for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
        if (slice_eq_nocase(value, spellings[i])) {
            return true;
        }
    }
    return false;
}
