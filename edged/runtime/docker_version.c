/* SPDX-License-Identifier: MIT */
/*
 * Versions are compared by number: "1.9" is older than "1.24".
 */
#include "runtime/docker_version.h"

#include "base/log.h"
#include "runtime/docker.h"
#include "runtime/docker_answer.h"

#include <string.h>

static bool parse_version(const char *text, uint64_t *ret) {
    struct slice major, minor;
    uint64_t a, b;
    if (!slice_cut(slice_str(text), '.', &major, &minor) || !slice_parse_u64(major, 9999, &a) ||
        !slice_parse_u64(minor, 9999, &b)) {
        return false;
    }
    *ret = a * 10000 + b;
    return true;
}

enum edge_code docker_version_choose(const struct docker_version *theirs,
                                     char ret_version[DOCKER_VERSION_LEN], struct edge_error *err) {
    uint64_t our_min = 0, our_max = 0, their_min = 0, their_max = 0;

    if (!parse_version(DOCKER_API_MIN, &our_min) || !parse_version(DOCKER_API_MAX, &our_max)) {
        return edge_set(err, EDGE_INTERNAL, "our API versions are malformed");
    }
    if (!parse_version(theirs->api, &their_max) ||
        (theirs->min[0] && !parse_version(theirs->min, &their_min))) {
        return edge_set(err, EDGE_PROTO, "the container engine told a malformed API version %s",
                        log_quote_str(theirs->api));
    }
    uint64_t best = their_max < our_max ? their_max : our_max;
    if (best < our_min || best < their_min) {
        return edge_set(err, EDGE_UNSUPPORTED,
                        "the container engine speaks API %s to %s, this daemon " DOCKER_API_MIN
                        " to " DOCKER_API_MAX,
                        theirs->min[0] ? theirs->min : "?", theirs->api);
    }
    const char *chosen = best == our_max ? DOCKER_API_MAX : theirs->api;
    memcpy(ret_version, chosen, strlen(chosen) + 1);
    return EDGE_OK;
}

enum edge_code docker_version_read(const char *socket_path, const struct http_client_answer *answer,
                                   struct docker_version *ret_theirs,
                                   char ret_version[DOCKER_VERSION_LEN], struct edge_error *err) {
    if (answer->code == EDGE_NET) {
        return docker_answer_unreachable(socket_path, answer->err, err);
    }
    if (answer->code != EDGE_OK) {
        if (answer->err != NULL && err != NULL) {
            *err = *answer->err;
        }
        return answer->code;
    }
    if (answer->status != 200) {
        return docker_answer_error(answer->status, answer->body, err);
    }
    struct docker_version theirs;
    enum edge_code code = docker_json_version(answer->body, &theirs, err);
    if (code == EDGE_OK) {
        code = docker_version_choose(&theirs, ret_version, err);
    }
    if (code == EDGE_OK) {
        *ret_theirs = theirs;
    }
    return code;
}
