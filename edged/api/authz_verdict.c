/* SPDX-License-Identifier: MIT */
/*
 * The only place that tells a caller's verdict to the server, and a refusal's reason to the log.
 */
#include "api/authz_verdict.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>

#define DENIED_MESSAGE "Module not found"
#define OWNER_MESSAGE  "Only root and the daemon's own user may do this"
#define ENGINE_MESSAGE                                                                             \
    "An error occurred while authorizing the HTTP request: the container engine did not answer"
#define BUSY_MESSAGE                                                                               \
    "An error occurred while authorizing the HTTP request: too many callers to check"

static void deny(struct http_exchange *x, int status, const char *message, const char *expected,
                 const char *reason) {
    const struct http_peer *peer = http_exchange_peer(x);
    log_set_request(http_exchange_id(x));
    log_info("refused pid %d (uid %u) as %s for %s: %s", (int)peer->pid, (unsigned)peer->uid,
             log_quote_str(expected), log_quote(http_exchange_target(x)), reason);
    log_set_request(0);
    http_exchange_deny(x, status, message);
}

void authz_verdict_refuse(struct http_exchange *x, const char *expected, const char *reason) {
    deny(x, 404, DENIED_MESSAGE, expected, reason);
}

void authz_verdict_not_owner(struct http_exchange *x, const char *expected) {
    deny(x, 403, OWNER_MESSAGE, expected, "it is neither root nor this daemon's user");
}

void authz_verdict_busy(struct http_exchange *x, const char *expected, const char *reason) {
    deny(x, 503, BUSY_MESSAGE, expected, reason);
}

void authz_verdict_engine_failed(struct http_exchange *x, const char *expected,
                                 const struct edge_error *err) {
    deny(x, 503, ENGINE_MESSAGE, expected, edge_error_text(err));
}

/* A connection that cannot be given a memory is proved again next time. */
static void remember(struct http_exchange *x, const char *name, uint64_t epoch) {
    struct authz_identity *who = http_exchange_conn_data(x);
    if (who == NULL) {
        who = calloc(1, sizeof(*who));
        if (who == NULL) {
            return;
        }
        http_exchange_set_conn_data(x, who, free);
    }
    if (!slice_to_array(slice_str(name), who->name, sizeof(who->name))) {
        who->name[0] = '\0';
    }
    who->epoch = epoch;
    who->proved_ms = clock_mono_ms();
}

void authz_verdict_allow(struct http_exchange *x, const char *name, uint64_t epoch,
                         const char *source) {
    const struct http_peer *peer = http_exchange_peer(x);
    log_debug("pid %d is module %s: %s, process confirmed by %s", (int)peer->pid,
              log_quote_str(name), source, peer->pidfd >= 0 ? "pidfd" : "start time");
    remember(x, name, epoch);
    http_exchange_allow(x, slice_str(name));
}
