/* SPDX-License-Identifier: MIT */
#include "support/authorities_sample.h"

#include "support/ca_certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define NOW AUTHORITIES_SAMPLE_NOW
#define DAY ((int64_t)86400)

static char *pem_of(const struct ca_cert *c) {
    struct buf pem;
    buf_init(&pem, CA_CERTS_PEM_MAX);
    ca_cert_add(&pem, c);
    char *text = slice_dup(buf_slice(&pem));
    assert_non_null(text);
    buf_clear(&pem);
    return text;
}

char *authorities_sample_pem(const char *common_name, int64_t from_wall_s, int64_t to_wall_s) {
    struct ca_cert c;
    const struct ca_cert_spec spec = {
        .common_name = common_name, .from_wall_s = from_wall_s, .to_wall_s = to_wall_s};
    ca_cert_make(&c, &spec);
    char *text = pem_of(&c);
    ca_cert_free(&c);
    return text;
}

static void put(struct authority *a, const char *key, const struct ca_cert *c,
                const struct authority *issuer) {
    char *pem = pem_of(c);
    assert_int_equal(
        authority_set(a, key, slice_str(pem), issuer != NULL ? issuer->cert.sha256 : NULL, NULL),
        EDGE_OK);
    free(pem);
}

static void make(struct ca_cert *c, const char *name, const struct ca_cert *issuer,
                 const struct ca_cert *same_key, int64_t days) {
    const struct ca_cert_spec spec = {.common_name = name,
                                      .issuer = issuer,
                                      .same_key = same_key,
                                      .from_wall_s = NOW - DAY,
                                      .to_wall_s = NOW + days * DAY};
    ca_cert_make(c, &spec);
}

static void put_root(struct authority_roots *r, const struct ca_cert *c, const char *source,
                     const char *by) {
    const struct authority_root_info info = {
        .source = source, .by_sha256 = by, .until_wall_s = NOW + 60 * DAY};
    char *pem = pem_of(c);
    assert_int_equal(authority_roots_add(r, slice_str(pem), &info, NULL), EDGE_OK);
    free(pem);
}

void authorities_sample(struct authorities *ret) {
    struct ca_cert before, owner, device, workload, cross, old;
    authorities_init(ret);
    make(&before, "Test Edge Owner CA 1", NULL, NULL, 700);
    make(&owner, "Test Edge Owner CA 2", NULL, NULL, 3650);
    make(&cross, "Test Edge Owner CA 2", &before, &owner, 700);
    make(&device, "Test Edge Device CA", &owner, NULL, 90);
    make(&workload, "iotedged workload ca", &device, NULL, 90);
    make(&old, "Old Root", NULL, NULL, 60);
    ret->source = AUTHORITIES_QUICKSTART;
    ret->next = 7;
    ret->predecessor_done = true;
    put(&ret->owner, "owner-ca-4", &owner, NULL);
    put(&ret->before[0], "owner-ca-1", &before, NULL);
    ret->before[0].until_wall_s = NOW + 700 * DAY;
    ret->before_cnt = 1;
    put(&ret->device, "device-ca-5", &device, &ret->owner);
    put(&ret->workload, "workload-ca-6", &workload, &ret->device);
    put_root(&ret->cross, &cross, "quickstart", ret->before[0].cert.sha256);
    put_root(&ret->former, &old, "predecessor", NULL);
    ret->bundle = pem_of(&old);
    ret->anchor = pem_of(&old);
    ca_cert_free(&before);
    ca_cert_free(&owner);
    ca_cert_free(&device);
    ca_cert_free(&workload);
    ca_cert_free(&cross);
    ca_cert_free(&old);
}
