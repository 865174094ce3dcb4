/* SPDX-License-Identifier: MIT */
/*
 * What the container of edgeAgent has to be, from config.yaml and the identity of the device, and
 * whether the one that is there is that. Pure.
 *
 * A deployment may give edgeAgent another image or environment; then edgeAgent has us make its own
 * container anew, which must not be undone at the next start. So the container is never compared
 * with what would be made now. Compared is the fingerprint of what config.yaml and the identity say
 * with the one that was in force when we last made it: AGENT_SPEC_LABEL of a container that we
 * made, else `agent_record` for one that edgeAgent made of itself.
 */
#ifndef AGENT_AGENT_SPEC_H
#define AGENT_AGENT_SPEC_H

#include "base/buf.h"
#include "base/error.h"
#include "base/mac.h"
#include "base/slice.h"
#include "config/config.h"
#include "runtime/runtime.h"

#include <stdbool.h>

#define AGENT_NAME        "edgeAgent"  /* of the container */
#define AGENT_MODULE_ID   "$edgeAgent" /* in the hub */
#define AGENT_SOCKETS_DIR "mnt"        /* workload sockets of modules, in the homedir */
#define AGENT_SOCKET      AGENT_SOCKETS_DIR "/" AGENT_NAME ".sock" /* of its own */
#define AGENT_SPEC_LABEL  "net.azure-devices.edge.edged.spec"      /* fingerprint */

/* All three are needed. */
struct agent_identity {
    const char *hub;
    const char *device_id;
    const char *generation_id; /* of AGENT_MODULE_ID */
};

/* Filled by agent_spec_build; agent_spec_clear releases and wipes. */
struct agent_spec {
    char image[RUNTIME_IMAGE_MAX + 1];
    bool pull;                    /* false: the image must be there */
    struct slice auth_json;       /* registry credentials; borrowed from the configuration */
    struct buf create_body;       /* of the engine's create call */
    char fingerprint[SHA256_HEX]; /* of all that the body was made from, but not of what the engine
                                     makes of it, nor of how the image is fetched */
};

/* On failure nothing is to be cleared. Errors: NOMEM, CRYPTO; INVALID, PARSE, RANGE for what the
 * check of the configuration lets pass. */
enum edge_code agent_spec_build(const struct edge_config *cfg, const struct agent_identity *id,
                                struct agent_spec *ret, struct edge_error *err) EDGE_NODISCARD;
void agent_spec_clear(struct agent_spec *spec); /* zero-initialised ones too */

enum agent_verdict {
    AGENT_KEEP,    /* nothing is to be done */
    AGENT_ADOPT,   /* the same, and from now on the record says this fingerprint */
    AGENT_REPLACE, /* *ret_why says why, for the log */
};

/* `there` is the container as runtime_inspect_module tells it; `applied` the fingerprint in the
 * record, "" when there is none. Without one and without the label the container is an earlier
 * daemon's: it is replaced only when it cannot work here. */
enum agent_verdict agent_spec_judge(const struct edge_config *cfg, const struct agent_identity *id,
                                    const char *fingerprint, const char *applied,
                                    const struct runtime_module *there, const char **ret_why);

#endif
