/* SPDX-License-Identifier: MIT */
/* Files of an operator's CA: chain, trust bundle and private key, each up to the next NUL. */
#include "base/x509_key.h"
#include "pki/chain.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NOW 1800000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

/* A refusal always says why. */
static void require_told(enum edge_code code, const struct edge_error *err) {
    require(code == EDGE_OK || (code == err->code && err->text[0] != '\0'));
    require(slice_is_utf8_text(slice_str(err->text)) || err->text[0] == '\0');
}

static void require_config(enum edge_code code, struct edge_error *err) {
    require(code == EDGE_OK || code == EDGE_CONFIG || code == EDGE_NOMEM || code == EDGE_CRYPTO);
    require_told(code, err);
    edge_error_clear(err);
}

static void check_cert(const struct chain_cert *c) {
    require(memchr(c->subject, '\0', sizeof(c->subject)) != NULL);
    require(strlen(c->sha256) == SHA256_HEX - 1);
    require(strlen(c->key_sha256) == SHA256_HEX - 1);
    require(c->path_len >= -1);
}

/* What was put in order stays so. */
static void check_again(const struct chain *c) {
    struct chain again = {.cnt = 0};
    struct chain_cert first;
    require(chain_read(buf_slice(&c->pem), "again", &again, NULL) == EDGE_OK);
    require(strcmp(again.certs[0].sha256, c->certs[0].sha256) == 0);
    require(again.cnt <= c->cnt);
    require(chain_read_first(buf_slice(&c->pem), "again", &first, NULL) == EDGE_OK);
    require(strcmp(first.sha256, c->certs[0].sha256) == 0);
    chain_clear(&again);
}

static void check_key(const struct chain *c, struct slice pem) {
    struct edge_error err = {0};
    struct secret pkcs8 = {0};
    struct buf spki;
    buf_init(&spki, X509_SPKI_MAX);
    enum edge_code code = x509_key_read(pem, &pkcs8, &spki, &err);
    require_told(code, &err);
    if (code == EDGE_OK) {
        require_config(chain_check_key(c, "chain", buf_slice(&spki), "key", &err), &err);
    }
    secret_clear(&pkcs8);
    buf_clear(&spki);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice pem = slice_make(data, size);
    struct slice rest = slice_make(NULL, 0), bundle = slice_make(NULL, 0);
    struct slice key = slice_make(NULL, 0);
    struct chain chain = {.cnt = 0};
    struct edge_error err = {0};
    struct buf anchor;
    (void)slice_cut(pem, '\0', &pem, &rest);
    bundle = rest;
    (void)slice_cut(rest, '\0', &bundle, &key);
    enum edge_code code = chain_read(pem, "chain", &chain, &err);
    require_told(code, &err);
    edge_error_clear(&err);
    require_config(chain_check_bundle(bundle, "bundle", &err), &err);
    if (code == EDGE_OK) {
        require(chain.cnt > 0 && chain.cnt <= CHAIN_CERTS_MAX && chain.pem.len > 0);
        for (size_t i = 0; i < chain.cnt; i++) {
            check_cert(&chain.certs[i]);
        }
        check_again(&chain);
        require_config(chain_check_ca(&chain, "chain", &err), &err);
        require_config(chain_check_time(&chain, NOW, "chain", &err), &err);
        check_key(&chain, key);
        buf_init(&anchor, CHAIN_PEM_MAX * 4);
        code = chain_check_anchor(&chain, "chain", bundle, "bundle", NOW, &anchor, &err);
        require(code != EDGE_OK || anchor.len > 0);
        require_told(code, &err);
        buf_clear(&anchor);
    }
    chain_clear(&chain);
    return 0;
}
