/* SPDX-License-Identifier: MIT */
/*
 * The mapping of errors to answers. Texts keep the shape of the original: what failed, then
 * "\n\tcaused by: " and the reason.
 */
#include "api/api_error.h"

#include "base/log.h"
#include "http/http_reply.h"

#include <stdio.h>

#define RETRY_AFTER_S 5
#define TEXT_MAX      (EDGE_ERROR_TEXT_MAX + 160)

int api_error_status(enum edge_code code) {
    switch (code) {
    case EDGE_OK:
        return 200;
    case EDGE_INVALID:
    case EDGE_PARSE:
        return 400;
    case EDGE_RANGE:
        return 413;
    case EDGE_NOT_FOUND:
        return 404;
    case EDGE_EXISTS:
    case EDGE_CONFLICT:
        return 409;
    case EDGE_UNSUPPORTED:
        return 501;
    case EDGE_BUSY:
    case EDGE_RETRY:
    case EDGE_TIMEOUT:
    case EDGE_CANCELED:
    case EDGE_NET:
    case EDGE_HSM:
        return 503;
    case EDGE_NOMEM:
    case EDGE_DENIED: /* of the daemon by somebody else, such as the TPM node: not the caller's
                         fault */
    case EDGE_IO:
    case EDGE_PROTO:
    case EDGE_REMOTE:
    case EDGE_CRYPTO:
    case EDGE_CONFIG:
    case EDGE_INTERNAL:
    case EDGE_CODE_CNT_:
        break;
    }
    return 500;
}

/* What a module may know about a failure on our side. */
static const char *public_reason(enum edge_code code) {
    switch (code) {
    case EDGE_BUSY:
    case EDGE_RETRY:
        return "the key store is busy, try again";
    case EDGE_TIMEOUT:
        return "the key store did not answer in time";
    case EDGE_HSM:
    case EDGE_DENIED:
        return "the key store is not available, 'iotedge status' tells the operator why";
    case EDGE_CANCELED:
        return "the daemon is stopping";
    default:
        return "internal error";
    }
}

static void answer(struct http_exchange *x, enum edge_code code, const char *operation,
                   const char *reason) {
    char text[TEXT_MAX];
    int status = api_error_status(code);
    (void)snprintf(text, sizeof(text), "%s\n\tcaused by: %s", operation, reason);
    if (status == 503) {
        http_reply_busy(x, status, RETRY_AFTER_S, text);
    } else {
        http_reply_error(x, status, text);
    }
}

void api_error_workload(struct http_exchange *x, const char *operation,
                        const struct edge_error *err) {
    int status = api_error_status(err->code);
    if (status >= 400 && status < 500) {
        answer(x, err->code, operation, edge_error_text(err));
        return;
    }
    log_warn("%s for module %s: %s", operation, log_quote(http_exchange_param(x, 0)),
             edge_error_text(err));
    answer(x, err->code, operation, public_reason(err->code));
}

static struct edge_error of_key_store(const struct edge_error *err) {
    struct edge_error own = *err;
    switch (err->code) {
    case EDGE_NOT_FOUND:
    case EDGE_EXISTS:
    case EDGE_CONFLICT:
    case EDGE_PARSE:
    case EDGE_DENIED:
        own.code = EDGE_HSM;
        break;
    default:
        break;
    }
    return own;
}

void api_error_key_store(struct http_exchange *x, const char *operation,
                         const struct edge_error *err) {
    struct edge_error own = of_key_store(err);
    api_error_workload(x, operation, &own);
}

void api_error_pki(struct http_exchange *x, const char *operation, const struct edge_error *err) {
    struct edge_error own = of_key_store(err);
    switch (own.code) {
    case EDGE_RETRY:
        answer(x, own.code, operation, edge_error_text(err));
        return;
    case EDGE_CONFIG:
        log_warn("%s for module %s: %s", operation, log_quote(http_exchange_param(x, 0)),
                 edge_error_text(err));
        answer(x, EDGE_RETRY, operation,
               "the certificates that this device is configured with cannot be used");
        return;
    case EDGE_RANGE:
        own.code = EDGE_INVALID;
        break;
    default:
        break;
    }
    api_error_workload(x, operation, &own);
}

void api_error_mgmt(struct http_exchange *x, const char *operation, const struct edge_error *err) {
    answer(x, err->code, operation, edge_error_text(err));
}

void api_error_engine(struct http_exchange *x, const char *operation,
                      const struct edge_error *err) {
    bool is_answer = err->code == EDGE_PARSE || err->code == EDGE_RANGE;
    answer(x, is_answer ? EDGE_PROTO : err->code, operation, edge_error_text(err));
}

void api_error_blameless(struct http_exchange *x, const char *operation,
                         const struct edge_error *err) {
    answer(x, api_error_status(err->code) < 500 ? EDGE_REMOTE : err->code, operation,
           edge_error_text(err));
}

void api_error_hub(struct http_exchange *x, const char *operation, const struct hub_answer *a) {
    char text[TEXT_MAX];
    struct edge_error own;
    int status = 500;
    switch (a->kind) {
    case HUB_NOT_FOUND:
        status = 404;
        break;
    case HUB_CONFLICT:
    case HUB_STALE:
        status = 409;
        break;
    case HUB_INVALID:
        status = 400;
        break;
    case HUB_LOCAL:
        own = of_key_store(&a->err);
        api_error_mgmt(x, operation, &own);
        return;
    case HUB_OK:
    case HUB_REFUSED:
    case HUB_THROTTLED:
    case HUB_TRANSIENT:
        break;
    }
    (void)snprintf(text, sizeof(text), "%s\n\tcaused by: %s", operation, edge_error_text(&a->err));
    if (a->retry_after_ms > 0 && status == 500) {
        http_reply_busy(x, status, a->retry_after_ms / 1000 + 1, text);
    } else {
        http_reply_error(x, status, text);
    }
}

void api_error_malformed(struct http_exchange *x, const struct edge_error *err) {
    answer(x, err->code == EDGE_NOMEM ? EDGE_NOMEM : EDGE_PARSE, "Request body is malformed",
           edge_error_text(err));
}
