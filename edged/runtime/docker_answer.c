/* SPDX-License-Identifier: MIT */
/*
 * The one table from the Engine's status codes to our codes, and the words for an Engine that
 * cannot be reached.
 */
#include "runtime/docker_answer.h"

#include "runtime/docker_json.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum edge_code status_code(int status) {
    switch (status) {
    case 304:
        return EDGE_EXISTS;
    case 400:
        return EDGE_INVALID;
    case 401:
    case 403:
        return EDGE_DENIED;
    case 404:
        return EDGE_NOT_FOUND;
    case 409:
        return EDGE_CONFLICT;
    default:
        return EDGE_REMOTE;
    }
}

enum edge_code docker_answer_error(int status, struct slice body, struct edge_error *err) {
    char text[DOCKER_MESSAGE_MAX];
    docker_json_message(body, text);
    return edge_set_native(err, status_code(status), EDGE_DOMAIN_HTTP, status,
                           "the container engine answered %d%s%s", status, text[0] ? ": " : "",
                           text);
}

/* Both calls are on a local path and do not block. */
enum edge_code docker_answer_unreachable(const char *path, const struct edge_error *cause,
                                         struct edge_error *err) {
    struct stat st;

    if (stat(path, &st) < 0) {
        if (errno == EACCES) {
            return edge_set(err, EDGE_DENIED, "no permission for the directory of '%s'", path);
        }
        return edge_set(err, EDGE_NET,
                        "no container engine socket at '%s' (is the engine installed and running?)",
                        path);
    }
    if (!S_ISSOCK(st.st_mode)) {
        return edge_set(err, EDGE_NET, "'%s' is not a socket", path);
    }
    if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) < 0) {
        return edge_set(err, EDGE_DENIED,
                        "no permission for the container engine's socket '%s': add this user to "
                        "the group that owns it ('docker', id %u) and restart the daemon",
                        path, (unsigned)st.st_gid);
    }
    return edge_set(err, EDGE_NET, "the container engine does not answer on '%s': %s", path,
                    edge_error_text(cause));
}

bool docker_answer_is_version_complaint(int status, struct slice body) {
    char text[DOCKER_MESSAGE_MAX];
    if (status != 400) {
        return false;
    }
    docker_json_message(body, text);
    return strstr(text, "client version") != NULL || strstr(text, "API version") != NULL;
}
