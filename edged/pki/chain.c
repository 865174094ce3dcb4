/* SPDX-License-Identifier: MIT */
/*
 * A chain is put in order by who has signed whom, not by where a certificate stands in its file.
 */
#include "pki/chain.h"

#include "base/x509_pem.h"
#include "pki/pem_certs.h"

#include <openssl/err.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NONE ((size_t)-1)

/* issued[i][j]: j has signed i. */
struct links {
    bool issued[CHAIN_CERTS_MAX][CHAIN_CERTS_MAX];
    bool used[CHAIN_CERTS_MAX];
};

void chain_clear(struct chain *c) {
    if (c != NULL) {
        buf_clear(&c->pem);
        c->cnt = 0;
        c->spki_len = 0;
    }
}

/* Rights to sign are checked elsewhere, with a better reason than "belongs to no chain". */
static bool has_signed(X509 *issuer, X509 *cert) {
    EVP_PKEY *key = X509_get0_pubkey(issuer);
    return key != NULL &&
           X509_NAME_cmp(X509_get_subject_name(issuer), X509_get_issuer_name(cert)) == 0 &&
           X509_verify(cert, key) == 1;
}

static enum edge_code find_links(const struct x509_certs *certs, struct links *l,
                                 struct edge_error *err) {
    ERR_clear_error();
    for (size_t i = 0; i < certs->cnt; i++) {
        for (size_t j = 0; j < certs->cnt; j++) {
            l->issued[i][j] = i != j && has_signed(certs->items[j], certs->items[i]);
            enum edge_code code = x509_take_nomem(err);
            if (code != EDGE_OK) {
                return code;
            }
        }
    }
    return EDGE_OK;
}

static bool signs_another(const struct links *l, size_t cnt, size_t j) {
    for (size_t i = 0; i < cnt; i++) {
        if (l->issued[i][j]) {
            return true;
        }
    }
    return false;
}

static enum edge_code find_leaf(const struct x509_certs *certs, const struct links *l,
                                const char *file, size_t *ret, struct edge_error *err) {
    char first[64], second[64];
    size_t leaf = NONE;
    for (size_t i = 0; i < certs->cnt; i++) {
        if (signs_another(l, certs->cnt, i)) {
            continue;
        }
        if (leaf != NONE) {
            pem_certs_subject(certs->items[leaf], first, sizeof(first));
            pem_certs_subject(certs->items[i], second, sizeof(second));
            return edge_set(err, EDGE_CONFLICT,
                            "'%s' holds two chains, one that ends at '%s' and one at '%s': leave "
                            "only one",
                            file, first, second);
        }
        leaf = i;
    }
    if (leaf == NONE) {
        return edge_set(err, EDGE_CONFLICT,
                        "the certificates of '%s' have signed each other in a circle", file);
    }
    *ret = leaf;
    return EDGE_OK;
}

static size_t find_issuer(const struct links *l, size_t cnt, size_t i) {
    for (size_t j = 0; j < cnt; j++) {
        if (l->issued[i][j] && !l->used[j]) {
            return j;
        }
    }
    return NONE;
}

/* Roots are the clients' to know; a chain of one certificate keeps it whatever it is. */
static bool is_left_out(X509 *cert, const struct chain *c) {
    return c->cnt > 0 && X509_self_signed(cert, 0) == 1 && c->pem.len > 0;
}

static enum edge_code take(X509 *cert, const char *file, struct chain *c, struct edge_error *err) {
    enum edge_code code = pem_certs_describe(cert, file, &c->certs[c->cnt], err);
    if (code == EDGE_OK && !is_left_out(cert, c)) {
        code = pem_certs_append(cert, &c->pem, err);
    }
    if (code == EDGE_OK) {
        c->cnt++;
    }
    return code;
}

/* What is left has signed a certificate of the chain as well, being another's renewal or
 * cross-certificate: clients may need it. */
static enum edge_code take_others(const struct x509_certs *certs, const struct links *l,
                                  struct chain *c, struct edge_error *err) {
    for (size_t i = 0; i < certs->cnt; i++) {
        if (l->used[i] || is_left_out(certs->items[i], c)) {
            continue;
        }
        enum edge_code code = pem_certs_append(certs->items[i], &c->pem, err);
        if (code != EDGE_OK) {
            return code;
        }
    }
    return EDGE_OK;
}

static enum edge_code take_spki(X509 *cert, struct chain *c, struct edge_error *err) {
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    if (len <= 0 || der == NULL) {
        return x509_no_memory(err);
    }
    if ((size_t)len <= sizeof(c->spki)) {
        memcpy(c->spki, der, (size_t)len);
        c->spki_len = (size_t)len;
    }
    OPENSSL_free(der);
    return EDGE_OK;
}

static enum edge_code put_in_order(const struct x509_certs *certs, const char *file,
                                   struct chain *c, struct edge_error *err) {
    struct links links = {0};
    size_t at = NONE;
    enum edge_code code = find_links(certs, &links, err);
    code = code != EDGE_OK ? code : find_leaf(certs, &links, file, &at, err);
    code = code != EDGE_OK ? code : take_spki(certs->items[at], c, err);
    while (code == EDGE_OK && at != NONE) {
        links.used[at] = true;
        code = take(certs->items[at], file, c, err);
        at = find_issuer(&links, certs->cnt, at);
    }
    return code == EDGE_OK ? take_others(certs, &links, c, err) : code;
}

enum edge_code chain_read(struct slice pem, const char *file, struct chain *ret,
                          struct edge_error *err) {
    const struct x509_source from = {
        .file = file, .bytes_max = CHAIN_PEM_MAX, .cnt_max = CHAIN_CERTS_MAX, .skips_copies = true};
    struct x509_certs certs X509_CERTS_CLEANUP = {NULL, 0};
    assert(ret != NULL);
    enum edge_code code = x509_certs_read(pem, &from, &certs, err);
    if (code != EDGE_OK) {
        return code;
    }
    chain_clear(ret);
    buf_init(&ret->pem, CHAIN_PEM_MAX);
    code = put_in_order(&certs, file, ret, err);
    ERR_clear_error();
    if (code != EDGE_OK) {
        chain_clear(ret);
    }
    return code;
}

enum edge_code chain_read_first(struct slice pem, const char *file, struct chain_cert *ret,
                                struct edge_error *err) {
    const struct x509_source from = {
        .file = file, .bytes_max = CHAIN_PEM_MAX, .cnt_max = CHAIN_CERTS_MAX, .skips_copies = true};
    X509 *cert = NULL;
    enum edge_code code = x509_certs_first(pem, &from, &cert, err);
    code = code != EDGE_OK ? code : pem_certs_describe(cert, file, ret, err);
    X509_free(cert);
    return code;
}
