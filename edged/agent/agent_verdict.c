/* SPDX-License-Identifier: MIT */
/*
 * Whether the container of edgeAgent that is there may stay.
 */
#include "agent/agent_spec.h"

#include "base/json.h"
#include "runtime/module_mounts.h"

#include <stdio.h>
#include <string.h>

#define PATH_LEN     4096
#define HUB_VARIABLE "IOTEDGE_IOTHUBHOSTNAME"

/* Whether it was given another value. Without any it may have one from a file of its image. */
static bool has_other(const struct cJSON *env, const char *name, const char *value) {
    bool is_host = strcmp(name, HUB_VARIABLE) == 0; /* names of hosts have no case */
    bool other = false;
    for (const struct cJSON *n = json_first(env); n != NULL; n = json_next(n)) {
        struct slice key;
        struct slice given;
        if (slice_cut(json_str(n), '=', &key, &given) && slice_eq_str(key, name)) {
            other = is_host ? !slice_eq_nocase(given, value) : !slice_eq_str(given, value);
        }
    }
    return other;
}

/* The socket, or the folder that it is in. */
static bool has_socket(const struct cJSON *mounts, const char *path) {
    char folder[PATH_LEN];
    const char *slash = strrchr(path, '/');
    if (slash == NULL ||
        !slice_to_array(slice_make(path, (size_t)(slash - path)), folder, sizeof(folder))) {
        return false;
    }
    return module_mounts_have(mounts, path) || module_mounts_have(mounts, folder);
}

static bool has_sockets(const struct edge_config *cfg, const struct runtime_module *m) {
    char own[PATH_LEN];
    (void)snprintf(own, sizeof(own), "%s/" AGENT_SOCKET, cfg->homedir);
    return has_socket(m->mounts, cfg->connect_management.path) &&
           (has_socket(m->mounts, own) || has_socket(m->mounts, cfg->connect_workload.path));
}

/* Why a container that somebody else made cannot work here, or NULL. */
static const char *find_fault(const struct edge_config *cfg, const struct agent_identity *id,
                              const struct runtime_module *m) {
    if (has_other(m->env, HUB_VARIABLE, id->hub) ||
        has_other(m->env, "IOTEDGE_DEVICEID", id->device_id)) {
        return "it was made for another hub or device";
    }
    if (has_other(m->env, "IOTEDGE_MODULEGENERATIONID", id->generation_id)) {
        return "$edgeAgent was created anew in the hub";
    }
    return has_sockets(cfg, m) ? NULL : "it has not mounted the sockets of this daemon";
}

static bool label_of(const struct runtime_module *m, struct slice *ret) {
    return m->labels != NULL && json_get_str(m->labels, AGENT_SPEC_LABEL, ret, NULL) == EDGE_OK;
}

enum agent_verdict agent_spec_judge(const struct edge_config *cfg, const struct agent_identity *id,
                                    const char *fingerprint, const char *applied,
                                    const struct runtime_module *there, const char **ret_why) {
    bool is_noted = strcmp(applied, fingerprint) == 0;
    const char *why = "config.yaml or the device's identity says something else of it than before";
    struct slice label;
    bool fits;
    if (label_of(there, &label)) {
        fits = slice_eq_str(label, fingerprint);
    } else if (applied[0] != '\0') {
        fits = is_noted;
    } else {
        why = find_fault(cfg, id, there);
        fits = why == NULL;
    }
    if (!fits) {
        *ret_why = why;
        return AGENT_REPLACE;
    }
    return is_noted ? AGENT_KEEP : AGENT_ADOPT;
}
