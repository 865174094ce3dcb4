/* SPDX-License-Identifier: MIT */
/*
 * What an unknown key was probably meant to be.
 */
#include "config/config_schema.h"

#include <string.h>

#define WORD_MAX 48 /* longer names are not compared */

struct word {
    char text[WORD_MAX];
    size_t len;
};

/* Spellings that are far from the right one, or right in another place. */
static const struct {
    const char *wrong;
    const char *right;
} traps[] = {
    {"docker_uri", "moby_runtime.uri"},
    {"docker_runtime", "moby_runtime"},
    {"tcti", "tpm.tcti"},
    {"trust_bundle_cert", "certificates.trusted_ca_certs"},
    {"device_ca_key", "certificates.device_ca_pk"},
    {"id_scope", "provisioning.scope_id"},
    {"idscope", "provisioning.scope_id"},
    {"image_gc", "image_garbage_collection"},
    {"image_age_cleanup_threshold", "image_garbage_collection.age_days"},
    {"cleanup_recurrence", "image_garbage_collection.interval_hours"},
    {"user", "agent.config.auth.username"},
};

/* Small letters without separators: "create_options", "CreateOptions" and "createOptions" are the
 * same word. */
static bool word_make(struct word *w, struct slice name) {
    w->len = 0;
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '_' || name.ptr[i] == '-') {
            continue;
        }
        if (w->len == WORD_MAX) {
            return false;
        }
        w->text[w->len++] = slice_lower(name.ptr[i]);
    }
    return w->len > 0;
}

static size_t min3(size_t a, size_t b, size_t c) {
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Edit distance where exchanging two neighbours counts one. */
static size_t distance(const struct word *a, const struct word *b) {
    size_t row[3][WORD_MAX + 1];
    for (size_t j = 0; j <= b->len; j++) {
        row[0][j] = j;
    }
    for (size_t i = 1; i <= a->len; i++) {
        size_t *now = row[i % 3];
        const size_t *up = row[(i + 2) % 3];
        const size_t *up2 = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= b->len; j++) {
            size_t change = a->text[i - 1] == b->text[j - 1] ? 0 : 1;
            now[j] = min3(up[j] + 1, now[j - 1] + 1, up[j - 1] + change);
            if (i > 1 && j > 1 && a->text[i - 1] == b->text[j - 2] &&
                a->text[i - 2] == b->text[j - 1] && up2[j - 2] + 1 < now[j]) {
                now[j] = up2[j - 2] + 1;
            }
        }
    }
    return row[a->len % 3][b->len];
}

/* Last part of a path. */
static struct slice leaf_of(const char *path) {
    const char *dot = strrchr(path, '.');
    return slice_str(dot != NULL ? dot + 1 : path);
}

static bool is_below(const char *path, const char *parent) {
    struct slice leaf = leaf_of(path);
    size_t parent_len = strlen(parent);
    size_t prefix_len = strlen(path) - leaf.len;
    if (parent_len == 0) {
        return prefix_len == 0;
    }
    return prefix_len == parent_len + 1 && strncmp(path, parent, parent_len) == 0;
}

/* A third of the letters may differ; words of two letters must be the same. */
static const char *nearest_below(const char *parent, const struct word *name) {
    size_t row_cnt = 0;
    const struct config_key *rows = config_schema_rows(&row_cnt);
    const char *best = NULL;
    size_t best_distance = name->len / 3 + 1;
    for (size_t i = 0; i < row_cnt; i++) {
        struct word leaf;
        if (!is_below(rows[i].path, parent) || !word_make(&leaf, leaf_of(rows[i].path))) {
            continue;
        }
        size_t d = distance(name, &leaf);
        if (d < best_distance) {
            best = rows[i].path;
            best_distance = d;
        }
    }
    return best;
}

/* The same word somewhere else: the usual result of a slip in the indentation. */
static const char *same_elsewhere(const struct word *name) {
    size_t row_cnt = 0;
    const struct config_key *rows = config_schema_rows(&row_cnt);
    for (size_t i = 0; i < row_cnt; i++) {
        struct word leaf;
        if (word_make(&leaf, leaf_of(rows[i].path)) && leaf.len == name->len &&
            memcmp(leaf.text, name->text, leaf.len) == 0) {
            return rows[i].path;
        }
    }
    return NULL;
}

const char *config_schema_suggest(const char *parent, struct slice name) {
    struct word word;
    if (!word_make(&word, name)) {
        return NULL;
    }
    for (size_t i = 0; i < EDGE_ARRAY_LEN(traps); i++) {
        if (slice_eq_nocase(name, traps[i].wrong)) {
            return traps[i].right;
        }
    }
    const char *found = nearest_below(parent, &word);
    return found != NULL ? found : same_elsewhere(&word);
}
