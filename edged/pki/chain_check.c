/* SPDX-License-Identifier: MIT */
/*
 * What an operator's CA must be, rule by rule: each has its own refusal.
 */
#include "pki/chain.h"

#include "base/clock.h"
#include "base/x509_pem.h"
#include "pki/pem_certs.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <string.h>
#include <time.h>

#define CAS_BELOW 1 /* the workload CA */

static void cleanup_store(X509_STORE **store) {
    X509_STORE_free(*store);
}

static void cleanup_ctx(X509_STORE_CTX **ctx) {
    X509_STORE_CTX_free(*ctx);
}

static void cleanup_stack(STACK_OF(X509) * *stack) {
    sk_X509_free(*stack);
}

static void cleanup_owned_stack(STACK_OF(X509) * *stack) {
    sk_X509_pop_free(*stack, X509_free);
}

/* below: certificates under this one, without the workload CA, that count for a path length. */
static enum edge_code check_one(const struct chain_cert *c, const char *file, int64_t below,
                                struct edge_error *err) {
    if (!c->is_ca) {
        return edge_set(err, EDGE_CONFIG,
                        "'%s': certificate '%.64s' is not that of a CA (basicConstraints CA:TRUE "
                        "is missing): have a CA certificate issued",
                        file, c->subject);
    }
    if (!c->may_sign) {
        return edge_set(err, EDGE_CONFIG,
                        "'%s': the key of certificate '%.64s' may not sign certificates (keyUsage "
                        "without keyCertSign): have it issued with that",
                        file, c->subject);
    }
    if (c->path_len >= 0 && c->path_len < below + CAS_BELOW) {
        return edge_set(err, EDGE_CONFIG,
                        "'%s': the path length %lld of certificate '%.64s' leaves no room for the "
                        "workload CA: it must be %lld or more",
                        file, (long long)c->path_len, c->subject, (long long)(below + CAS_BELOW));
    }
    return EDGE_OK;
}

enum edge_code chain_check_ca(const struct chain *c, const char *file, struct edge_error *err) {
    int64_t below = 0;
    if (c->cnt > 0 && (c->certs[0].key[0] == '\0' || c->spki_len == 0)) {
        return edge_set(err, EDGE_CONFIG,
                        "'%s': the key of certificate '%.64s' is neither RSA of 2048 to 4096 bits "
                        "nor EC on P-256, P-384 or P-521: make the CA with one of those",
                        file, c->certs[0].subject);
    }
    for (size_t i = 0; i < c->cnt; i++) {
        enum edge_code code = check_one(&c->certs[i], file, below, err);
        if (code != EDGE_OK) {
            return code;
        }
        below += c->certs[i].self_issued ? 0 : 1;
    }
    return EDGE_OK;
}

enum edge_code chain_check_time(const struct chain *c, int64_t now_wall_s, const char *file,
                                struct edge_error *err) {
    char limit[CLOCK_RFC3339_LEN], now[CLOCK_RFC3339_LEN];
    clock_format_rfc3339(now_wall_s, now);
    for (size_t i = 0; i < c->cnt; i++) {
        const struct chain_cert *cert = &c->certs[i];
        if (i > 0 && cert->self_issued) {
            continue; /* not served: the bundle's is the one that counts */
        }
        if (now_wall_s < cert->not_before_wall_s) {
            clock_format_rfc3339(cert->not_before_wall_s, limit);
            return edge_set(err, EDGE_CONFIG,
                            "'%s': certificate '%.64s' is not valid before %s, and it is %s now: "
                            "check the clock, or wait",
                            file, cert->subject, limit, now);
        }
        if (now_wall_s > cert->not_after_wall_s) {
            clock_format_rfc3339(cert->not_after_wall_s, limit);
            return edge_set(err, EDGE_CONFIG,
                            "'%s': certificate '%.64s' expired at %s, and it is %s now: renew it, "
                            "or check the clock",
                            file, cert->subject, limit, now);
        }
    }
    return EDGE_OK;
}

enum edge_code chain_check_key(const struct chain *c, const char *file, struct slice key_spki,
                               const char *key_file, struct edge_error *err) {
    if (!slice_eq(key_spki, slice_make(c->spki, c->spki_len))) {
        return edge_set(err, EDGE_CONFIG,
                        "'%s' is not the private key of certificate '%.64s' of '%s': replace both "
                        "files together",
                        key_file, c->cnt > 0 ? c->certs[0].subject : "", file);
    }
    return EDGE_OK;
}

/* Why no path was found, in terms of the files. */
static enum edge_code explain(X509_STORE_CTX *ctx, const char *file, const char *bundle_file,
                              struct edge_error *err) {
    char subject[64] = "", issuer[64] = "";
    X509 *at = X509_STORE_CTX_get_current_cert(ctx);
    int reason = X509_STORE_CTX_get_error(ctx);
    if (reason == X509_V_ERR_OUT_OF_MEM) {
        return x509_no_memory(err);
    }
    if (at != NULL) {
        pem_certs_subject(at, subject, sizeof(subject));
        pem_certs_issuer(at, issuer, sizeof(issuer));
    }
    switch (reason) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return edge_set(err, EDGE_CONFIG,
                        "'%s': the chain ends at '%s', and its issuer '%s' is not in '%s': add it "
                        "there",
                        file, subject, issuer, bundle_file);
    default:
        return edge_set(err, EDGE_CONFIG, "'%s' and '%s': certificate '%s': %s", file, bundle_file,
                        subject, X509_verify_cert_error_string(reason));
    }
}

static enum edge_code prepare(X509_STORE_CTX *ctx, X509_STORE *store,
                              const struct x509_certs *chain, STACK_OF(X509) * others,
                              const struct x509_certs *bundle, struct edge_error *err) {
    for (size_t i = 1; i < chain->cnt; i++) {
        if (sk_X509_push(others, chain->items[i]) <= 0) {
            return x509_no_memory(err);
        }
    }
    for (size_t i = 0; i < bundle->cnt; i++) {
        if (X509_STORE_add_cert(store, bundle->items[i]) != 1) {
            return x509_no_memory(err);
        }
    }
    return X509_STORE_CTX_init(ctx, store, chain->items[0], others) == 1 ? EDGE_OK
                                                                         : x509_no_memory(err);
}

/* OpenSSL takes the first certificate for one that issues nothing, so the path lengths of what the
 * bundle adds are looked at again. */
static enum edge_code check_path(X509_STORE_CTX *ctx, const char *bundle_file,
                                 struct buf *ret_anchor, struct edge_error *err) {
    STACK_OF(X509) * path EDGE_CLEANUP(cleanup_owned_stack) = X509_STORE_CTX_get1_chain(ctx);
    struct chain_cert cert;
    int64_t below = 0;
    if (path == NULL) {
        return x509_no_memory(err);
    }
    for (int i = 0; i < sk_X509_num(path); i++) {
        enum edge_code code = pem_certs_describe(sk_X509_value(path, i), bundle_file, &cert, err);
        if (code == EDGE_OK && (i > 0 || sk_X509_num(path) == 1)) {
            code = check_one(&cert, bundle_file, below, err);
        }
        if (code != EDGE_OK) {
            return code;
        }
        below += cert.self_issued ? 0 : 1;
    }
    return ret_anchor == NULL
               ? EDGE_OK
               : pem_certs_append(sk_X509_value(path, sk_X509_num(path) - 1), ret_anchor, err);
}

enum edge_code chain_check_anchor(const struct chain *c, const char *file, struct slice bundle_pem,
                                  const char *bundle_file, int64_t now_wall_s,
                                  struct buf *ret_anchor, struct edge_error *err) {
    const struct x509_source from_chain = {
        .file = file, .bytes_max = CHAIN_PEM_MAX, .cnt_max = CHAIN_CERTS_MAX, .skips_copies = true};
    const struct x509_source from_bundle = {.file = bundle_file,
                                            .bytes_max = bundle_pem.len,
                                            .cnt_max = CHAIN_BUNDLE_MAX,
                                            .skips_copies = true};
    struct x509_certs chain X509_CERTS_CLEANUP = {NULL, 0};
    struct x509_certs bundle X509_CERTS_CLEANUP = {NULL, 0};
    enum edge_code code = x509_certs_read(buf_slice(&c->pem), &from_chain, &chain, err);
    code = code != EDGE_OK ? code : x509_certs_read(bundle_pem, &from_bundle, &bundle, err);
    if (code != EDGE_OK) {
        return code;
    }
    X509_STORE *store EDGE_CLEANUP(cleanup_store) = X509_STORE_new();
    STACK_OF(X509) * others EDGE_CLEANUP(cleanup_stack) = sk_X509_new_null();
    X509_STORE_CTX *ctx EDGE_CLEANUP(cleanup_ctx) = X509_STORE_CTX_new();
    if (store == NULL || others == NULL || ctx == NULL) {
        return x509_no_memory(err);
    }
    code = prepare(ctx, store, &chain, others, &bundle, err);
    if (code != EDGE_OK) {
        return code;
    }
    X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_PARTIAL_CHAIN);
    X509_STORE_CTX_set_time(ctx, 0, (time_t)now_wall_s);
    int ok = X509_verify_cert(ctx);
    code = x509_take_nomem(err);
    if (code != EDGE_OK) {
        return code;
    }
    return ok == 1 ? check_path(ctx, bundle_file, ret_anchor, err)
                   : explain(ctx, file, bundle_file, err);
}

enum edge_code chain_check_bundle(struct slice pem, const char *file, struct edge_error *err) {
    static const char key[] = "PRIVATE KEY-----";
    const struct x509_source from = {
        .file = file, .bytes_max = pem.len, .cnt_max = CHAIN_BUNDLE_MAX, .skips_copies = true};
    struct x509_certs certs X509_CERTS_CLEANUP = {NULL, 0};
    if (pem.len > 0 && !slice_is_utf8_text(pem)) {
        return edge_set(err, EDGE_CONFIG, "'%s' is not text: certificates in PEM form belong there",
                        file);
    }
    if (pem.len > 0 && memmem(pem.ptr, pem.len, key, sizeof(key) - 1) != NULL) {
        return edge_set(err, EDGE_CONFIG,
                        "'%s' holds a private key; it is given to every module, so remove the key",
                        file);
    }
    enum edge_code code = x509_certs_read(pem, &from, &certs, err);
    if (code == EDGE_PARSE || code == EDGE_RANGE) {
        return edge_set(err, EDGE_CONFIG, "%s", err != NULL ? err->text : "");
    }
    return code;
}
