/* SPDX-License-Identifier: MIT */
/*
 * JSON under a checksum. The certificates speak for themselves: dates and subjects are read from
 * them, not from the file.
 */
#include "pki/authorities_file.h"

#include "base/checked.h"
#include "base/fs.h"
#include "base/json.h"

#include <string.h>

#define FILE_VERSION 1
#define NODES_MAX    400

static void write_authority(struct json_writer *w, const char *name, const struct authority *a) {
    if (!authority_exists(a)) {
        return;
    }
    json_object_open(w, name);
    json_add_cstr(w, "key", a->key);
    json_add_cstr(w, "issuer", a->issuer_sha256);
    json_add_i64(w, "until", a->until_wall_s);
    json_add_cstr(w, "certificate", a->pem);
    json_object_close(w);
}

static void write_roots(struct json_writer *w, const char *name, const struct authority_roots *r) {
    json_array_open(w, name);
    for (size_t i = 0; i < r->cnt; i++) {
        json_object_open(w, NULL);
        json_add_cstr(w, "source", r->items[i].source);
        json_add_cstr(w, "by", r->items[i].by_sha256);
        json_add_i64(w, "until", r->items[i].until_wall_s);
        json_add_cstr(w, "certificate", r->items[i].pem);
        json_object_close(w);
    }
    json_array_close(w);
}

static enum edge_code encode_json(const struct authorities *a, struct buf *out,
                                  struct edge_error *err) {
    struct json_writer w;
    json_begin(&w, out);
    json_object_open(&w, NULL);
    json_add_i64(&w, "version", FILE_VERSION);
    json_add_cstr(&w, "source", authorities_source_name(a->source));
    json_add_i64(&w, "next", (int64_t)a->next);
    json_add_bool(&w, "predecessorDone", a->predecessor_done);
    write_authority(&w, "owner", &a->owner);
    write_authority(&w, "device", &a->device);
    write_authority(&w, "workload", &a->workload);
    json_array_open(&w, "before");
    for (size_t i = 0; i < a->before_cnt; i++) {
        write_authority(&w, NULL, &a->before[i]);
    }
    json_array_close(&w);
    write_roots(&w, "cross", &a->cross);
    write_roots(&w, "former", &a->former);
    if (a->bundle != NULL) {
        json_add_cstr(&w, "bundle", a->bundle);
    }
    if (a->anchor != NULL) {
        json_add_cstr(&w, "anchor", a->anchor);
    }
    json_object_close(&w);
    return json_end(&w, err);
}

enum edge_code authorities_encode(const struct authorities *a, struct buf *out,
                                  struct edge_error *err) {
    struct buf body EDGE_CLEANUP(buf_clear) = {0};
    buf_init(&body, AUTHORITIES_FILE_MAX);
    enum edge_code code = encode_json(a, &body, err);
    return code == EDGE_OK ? checked_seal(buf_slice(&body), out, err) : code;
}

static enum edge_code read_authority(const struct cJSON *node, struct authority *ret,
                                     struct edge_error *err) {
    struct slice key, issuer, pem;
    int64_t until = 0;
    char name[HSM_KEY_NAME_MAX + 1], digest[SHA256_HEX];
    enum edge_code code = json_get_str(node, "key", &key, err);
    code = code != EDGE_OK ? code : json_get_str(node, "issuer", &issuer, err);
    code = code != EDGE_OK ? code : json_get_i64(node, "until", &until, err);
    code = code != EDGE_OK ? code : json_get_str(node, "certificate", &pem, err);
    if (code == EDGE_OK && (!slice_to_array(key, name, sizeof(name)) ||
                            !slice_to_array(issuer, digest, sizeof(digest)))) {
        code = edge_set(err, EDGE_RANGE, "a name or digest is too long");
    }
    code = code != EDGE_OK ? code : authority_set(ret, name, pem, digest, err);
    if (code == EDGE_OK) {
        ret->until_wall_s = until;
    }
    return code;
}

static enum edge_code read_opt_authority(const struct cJSON *json, const char *name,
                                         struct authority *ret, struct edge_error *err) {
    const struct cJSON *node = NULL;
    enum edge_code code = json_get_object(json, name, &node, err);
    if (code == EDGE_NOT_FOUND) {
        return EDGE_OK;
    }
    return code == EDGE_OK ? read_authority(node, ret, err) : code;
}

static enum edge_code read_before(const struct cJSON *json, struct authorities *a,
                                  struct edge_error *err) {
    const struct cJSON *array = NULL;
    enum edge_code code = json_get_array(json, "before", &array, err);
    if (code != EDGE_OK) {
        return code;
    }
    for (const struct cJSON *n = json_first(array); n != NULL; n = json_next(n)) {
        if (a->before_cnt == AUTHORITIES_BEFORE_MAX) {
            return edge_set(err, EDGE_RANGE, "too many former owner CAs");
        }
        code = read_authority(n, &a->before[a->before_cnt], err);
        if (code != EDGE_OK) {
            return code;
        }
        a->before_cnt++;
    }
    return EDGE_OK;
}

static enum edge_code read_root(const struct cJSON *node, struct authority_roots *ret,
                                struct edge_error *err) {
    struct slice source, by, pem;
    char source_text[AUTHORITIES_SOURCE_MAX], by_text[SHA256_HEX];
    struct authority_root_info info = {.source = source_text, .by_sha256 = by_text};
    enum edge_code code = json_get_str(node, "source", &source, err);
    code = code != EDGE_OK ? code : json_get_str(node, "by", &by, err);
    code = code != EDGE_OK ? code : json_get_i64(node, "until", &info.until_wall_s, err);
    code = code != EDGE_OK ? code : json_get_str(node, "certificate", &pem, err);
    if (code == EDGE_OK && (!slice_to_array(source, source_text, sizeof(source_text)) ||
                            !slice_to_array(by, by_text, sizeof(by_text)))) {
        code = edge_set(err, EDGE_RANGE, "the origin of a certificate is too long");
    }
    return code == EDGE_OK ? authority_roots_add(ret, pem, &info, err) : code;
}

static enum edge_code read_roots(const struct cJSON *json, const char *name,
                                 struct authority_roots *ret, struct edge_error *err) {
    const struct cJSON *array = NULL;
    enum edge_code code = json_get_array(json, name, &array, err);
    if (code != EDGE_OK) {
        return code;
    }
    for (const struct cJSON *n = json_first(array); n != NULL; n = json_next(n)) {
        code = read_root(n, ret, err);
        if (code != EDGE_OK) {
            return code;
        }
    }
    return EDGE_OK;
}

static enum edge_code read_opt_text(const struct cJSON *json, const char *name, char **ret,
                                    struct edge_error *err) {
    struct slice text;
    enum edge_code code = json_get_opt_str(json, name, &text, err);
    if (code != EDGE_OK || text.len == 0) {
        return code;
    }
    *ret = slice_dup(text);
    return *ret != NULL ? EDGE_OK : edge_set(err, EDGE_NOMEM, "no memory for certificates");
}

static enum edge_code read_head(const struct cJSON *json, struct authorities *a,
                                struct edge_error *err) {
    struct slice source;
    int64_t version = 0, next = 0;
    enum edge_code code = json_get_i64(json, "version", &version, err);
    if (code == EDGE_OK && version != FILE_VERSION) {
        code = edge_set(err, EDGE_UNSUPPORTED, "version %lld of the file is not known",
                        (long long)version);
    }
    code = code != EDGE_OK ? code : json_get_str(json, "source", &source, err);
    code = code != EDGE_OK ? code : json_get_i64(json, "next", &next, err);
    code =
        code != EDGE_OK ? code : json_get_bool(json, "predecessorDone", &a->predecessor_done, err);
    if (code != EDGE_OK) {
        return code;
    }
    for (int s = AUTHORITIES_NONE; s <= AUTHORITIES_OPERATOR; s++) {
        if (slice_eq_str(source, authorities_source_name((enum authorities_source)s))) {
            a->source = (enum authorities_source)s;
            a->next = next > 0 ? (uint64_t)next : 1;
            return EDGE_OK;
        }
    }
    return edge_set(err, EDGE_PARSE, "the origin of the authorities is not known");
}

static enum edge_code decode_json(struct slice text, struct authorities *a,
                                  struct edge_error *err) {
    struct cJSON *json EDGE_CLEANUP(json_cleanup) = NULL;
    enum edge_code code = json_parse_within(text, NODES_MAX, &json, err);
    code = code != EDGE_OK ? code : read_head(json, a, err);
    code = code != EDGE_OK ? code : read_opt_authority(json, "owner", &a->owner, err);
    code = code != EDGE_OK ? code : read_opt_authority(json, "device", &a->device, err);
    code = code != EDGE_OK ? code : read_opt_authority(json, "workload", &a->workload, err);
    code = code != EDGE_OK ? code : read_before(json, a, err);
    code = code != EDGE_OK ? code : read_roots(json, "cross", &a->cross, err);
    code = code != EDGE_OK ? code : read_roots(json, "former", &a->former, err);
    code = code != EDGE_OK ? code : read_opt_text(json, "bundle", &a->bundle, err);
    code = code != EDGE_OK ? code : read_opt_text(json, "anchor", &a->anchor, err);
    return code == EDGE_NOT_FOUND ? EDGE_PARSE : code;
}

enum edge_code authorities_decode(struct slice text, struct authorities *ret,
                                  struct edge_error *err) {
    struct authorities made AUTHORITIES_CLEANUP;
    struct slice body;
    authorities_init(&made);
    enum edge_code code = checked_unseal(text, &body, err);
    code = code != EDGE_OK ? code : decode_json(body, &made, err);
    if (code == EDGE_OK) {
        *ret = made;
        authorities_init(&made);
    }
    return code;
}

static enum edge_code decode(struct slice text, void *ret, struct edge_error *err) {
    return authorities_decode(text, ret, err);
}

/* What a write left that was cut short. */
static void sweep(const char *dir) {
    int dirfd EDGE_CLEANUP(edge_cleanup_fd) = -1;
    if (fs_dir_open(dir, true, 0700, &dirfd, NULL) == EDGE_OK) {
        fs_sweep(dirfd);
    }
}

enum edge_code authorities_load(const char *dir, struct authorities *ret,
                                char ret_note[EDGE_ERROR_TEXT_MAX], struct edge_error *err) {
    struct edge_error first = {0};
    ret_note[0] = '\0';
    sweep(dir);
    enum edge_code code =
        checked_load(dir, AUTHORITIES_FILE, AUTHORITIES_FILE_MAX, decode, ret, &first);
    if (code != EDGE_NOT_FOUND && code != EDGE_PARSE) {
        return code == EDGE_OK ? code : edge_set(err, code, "%s", edge_error_text(&first));
    }
    if (code == EDGE_PARSE) {
        memcpy(ret_note, first.text, EDGE_ERROR_TEXT_MAX);
    }
    code = checked_load(dir, AUTHORITIES_FILE_COPY, AUTHORITIES_FILE_MAX, decode, ret, err);
    if (code == EDGE_PARSE) {
        code = edge_set(err, EDGE_NOT_FOUND, "%s", err != NULL ? err->text : "");
    }
    if (code == EDGE_OK && authorities_save(dir, ret, &first) != EDGE_OK) {
        /* There is one at least; the next renewal writes both. */
    }
    return code;
}

enum edge_code authorities_save(const char *dir, const struct authorities *a,
                                struct edge_error *err) {
    struct buf text EDGE_CLEANUP(buf_clear) = {0};
    buf_init(&text, AUTHORITIES_FILE_MAX);
    enum edge_code code = authorities_encode(a, &text, err);
    code = code != EDGE_OK ? code : checked_save(dir, AUTHORITIES_FILE, buf_slice(&text), err);
    if (code == EDGE_OK) {
        /* The next one replaces it; until then it is older, which is what it is for. */
        (void)!checked_save(dir, AUTHORITIES_FILE_COPY, buf_slice(&text), NULL);
    }
    return code;
}
