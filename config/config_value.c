/* SPDX-License-Identifier: MIT */
/*
 * Rules for single values.
 */
#include "config/config_value.h"

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
        return "is empty; leave the key out to use the default that the TPM gives";
    }
    if (config_value_is_placeholder(value)) {
        return "still holds the placeholder of the template; fill it in, or leave the key out to "
               "use the default that the TPM gives";
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
