/* SPDX-License-Identifier: MIT */
/*
 * The Engine hands on what the registry said as text, in a stream whose status was 200 already. The
 * words looked for are those of Docker's distribution library, which registries and engines share
 * (its error codes are UNAUTHORIZED, DENIED, MANIFEST_UNKNOWN, NAME_UNKNOWN).
 */
#include "runtime/docker_pull_json.h"

#include "base/json.h"
#include "runtime/docker_text.h"

#include <stdio.h>
#include <string.h>

enum edge_code docker_pull_complete(struct slice image, struct buf *out, struct edge_error *err) {
    size_t name_at = 0;
    for (size_t i = 0; i < image.len; i++) {
        name_at = image.ptr[i] == '/' ? i + 1 : name_at;
    }
    struct slice last = slice_make(image.ptr + name_at, image.len - name_at);
    bool complete = slice_find(last, ':') >= 0 || slice_find(last, '@') >= 0;

    enum edge_code code = buf_append_slice(out, image, err);
    if (code == EDGE_OK && !complete) {
        code = buf_append_str(out, ":latest", err);
    }
    return code;
}

enum edge_code docker_pull_meaning(const char *text, enum edge_code other) {
    static const struct {
        const char *words;
        enum edge_code code;
    } table[] = {
        {"unauthorized", EDGE_DENIED},
        {"authentication required", EDGE_DENIED},
        {"no basic auth credentials", EDGE_DENIED},
        {"manifest unknown", EDGE_NOT_FOUND},
        {"name unknown", EDGE_NOT_FOUND},
        {"repository does not exist", EDGE_NOT_FOUND},
        {"no matching manifest", EDGE_NOT_FOUND}, /* for this processor */
        {"not found", EDGE_NOT_FOUND},
        {"denied", EDGE_DENIED},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(table); i++) {
        if (strstr(text, table[i].words) != NULL) {
            return table[i].code;
        }
    }
    return other;
}

/* Docker tells the text twice, Podman once in either place. */
static enum edge_code read_error(const struct cJSON *root, struct slice *ret) {
    const struct cJSON *detail = NULL;
    struct slice error = {0}, message = {0};

    enum edge_code code = json_get_opt_str(root, "error", &error, NULL);
    if (code != EDGE_OK) {
        return code;
    }
    code = json_get_object(root, "errorDetail", &detail, NULL);
    if (code == EDGE_OK) {
        code = json_get_opt_str(detail, "message", &message, NULL);
        *ret = message.len > 0 ? message : error.len > 0 ? error : SLICE_LIT("unknown error");
        return code;
    }
    *ret = error;
    return code == EDGE_NOT_FOUND ? EDGE_OK : code;
}

enum edge_code docker_pull_message(struct slice text, struct docker_pull_message *ret,
                                   struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct docker_pull_message m = {0};
    struct slice error = {0}, status = {0}, id = {0}, stream = {0};

    enum edge_code code = json_parse(text, &root, err);
    if (code != EDGE_OK) {
        return edge_wrap(err, code, "reading the container engine's message");
    }
    if (!json_is_object(root) || read_error(root, &error) != EDGE_OK ||
        json_get_opt_str(root, "status", &status, NULL) != EDGE_OK ||
        json_get_opt_str(root, "id", &id, NULL) != EDGE_OK ||
        json_get_opt_str(root, "stream", &stream, NULL) != EDGE_OK) {
        return edge_set(err, EDGE_PROTO,
                        "the container engine's message about a pull is malformed");
    }
    if (error.len > 0) {
        m.failed = true;
        docker_text_clean(error, m.text, sizeof(m.text));
        *ret = m;
        return EDGE_OK;
    }
    /* "Downloading" and "Extracting" come many times a second with ever other numbers. */
    if (slice_eq_str(status, "Downloading") || slice_eq_str(status, "Extracting")) {
        *ret = m;
        return EDGE_OK;
    }
    docker_text_clean(status.len > 0 ? status : slice_trim(stream), m.text, sizeof(m.text));
    size_t len = strlen(m.text);
    if (id.len > 0 && len > 0) {
        char id_text[64];
        docker_text_clean(id, id_text, sizeof(id_text));
        if (len + strlen(id_text) + sizeof(" ()") <= sizeof(m.text)) { /* whole, or not at all */
            (void)snprintf(m.text + len, sizeof(m.text) - len, " (%s)", id_text);
        }
    }
    *ret = m;
    return EDGE_OK;
}
