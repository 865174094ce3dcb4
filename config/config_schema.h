/* SPDX-License-Identifier: MIT */
/*
 * The one table of keys: what config.yaml may hold, with types, bounds and defaults. The tables in
 * README.md and config.yaml(5) are compared with it by a test.
 */
#ifndef CONFIG_CONFIG_SCHEMA_H
#define CONFIG_CONFIG_SCHEMA_H

#include "base/error.h"
#include "config/config_tree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_CHOICES_MAX 4

enum config_type {
    CONFIG_TYPE_MAP, /* mapping whose members have rows */
    CONFIG_TYPE_STRING,
    CONFIG_TYPE_BOOL,
    CONFIG_TYPE_UINT,       /* integer from min to max */
    CONFIG_TYPE_ENUM,       /* string out of choices */
    CONFIG_TYPE_NAMED_MAP,  /* string, or mapping whose members have rows */
    CONFIG_TYPE_STRING_MAP, /* mapping of free names to strings; null counts as "" */
    CONFIG_TYPE_FREE_MAP,   /* mapping, or JSON text of one, that is not looked into */
    CONFIG_TYPE_LIST,       /* list whose items have the row "<path>[]" */
    CONFIG_TYPE_NUMBERS,    /* LIST of UINT, or one UINT, or text with commas between them; max
                               below 32 */
};

/* Forms of the provisioning section; bits, because a document may leave more than one possible. */
enum config_mode {
    CONFIG_MODE_MANUAL_LEGACY = 1 << 0, /* device_connection_string directly below provisioning */
    CONFIG_MODE_MANUAL_STRING = 1 << 1,
    CONFIG_MODE_MANUAL_X509 = 1 << 2,
    CONFIG_MODE_DPS_LEGACY = 1 << 3, /* registration_id directly below provisioning: TPM */
    CONFIG_MODE_DPS_TPM = 1 << 4,
    CONFIG_MODE_DPS_SYMMETRIC = 1 << 5,
    CONFIG_MODE_DPS_X509 = 1 << 6,
    CONFIG_MODE_EXTERNAL = 1 << 7,
    CONFIG_MODE_MANUAL_TPM = 1 << 8, /* hub and device named, key imported before */

    CONFIG_MODES_MANUAL = CONFIG_MODE_MANUAL_LEGACY | CONFIG_MODE_MANUAL_STRING |
                          CONFIG_MODE_MANUAL_X509 | CONFIG_MODE_MANUAL_TPM,
    CONFIG_MODES_TPM = CONFIG_MODE_DPS_LEGACY | CONFIG_MODE_DPS_TPM,
    CONFIG_MODES_DPS = CONFIG_MODES_TPM | CONFIG_MODE_DPS_SYMMETRIC | CONFIG_MODE_DPS_X509,
};

enum config_flag {
    CONFIG_FLAG_REQUIRED =
        1 << 0, /* must be there when its parent is, in all modes or in required_in */
    CONFIG_FLAG_NO_NULL = 1 << 1, /* an empty value is not the same as leaving the key out */
    CONFIG_FLAG_SECRET = 1 << 2,  /* never shown */
    CONFIG_FLAG_NEW = 1 << 3,     /* not known to the 1.1 daemon */
};

struct config_key {
    const char *path; /* dotted; "[]" stands for an item of a list */
    enum config_type type;
    unsigned flags;
    unsigned modes;                          /* in which it has a meaning; 0: all */
    unsigned required_in;                    /* with CONFIG_FLAG_REQUIRED: in which; 0: all */
    uint64_t min, max;                       /* UINT */
    const char *unit;                        /* UINT; NULL when it is a plain number */
    const char *choices[CONFIG_CHOICES_MAX]; /* ENUM */
    const char *def;                         /* default as it would be written; NULL: none */
    const char *used_by; /* part of the program; NULL: checked, otherwise without effect */
    const char *text;    /* what it is */
};

/* All rows, parents before their members. */
const struct config_key *config_schema_rows(size_t *ret_cnt);

/* Row of a path, or NULL. */
const struct config_key *config_schema_find(const char *path);

/* Whether a value has the row's type and bounds (members are not looked at). Errors: CONFIG with
 * the reason as text, which never shows the value of a secret. */
enum edge_code config_schema_accepts(const struct config_key *row, const struct config_node *node,
                                     struct edge_error *err) EDGE_NODISCARD;

/* True when null stands for "not given". */
bool config_schema_nullable(const struct config_key *row);

/* Best known key for an unknown `name` below the row `parent` ("" for the top), or NULL: the same
 * letters in another case, a near spelling, or the same name elsewhere. */
const char *config_schema_suggest(const char *parent, struct slice name);

#endif
