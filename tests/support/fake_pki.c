/* SPDX-License-Identifier: MIT */
/*
 * See fake_pki.h.
 */
#include "fake_pki.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct pki {
    enum edge_code refuse;
    char asked[512];
    int64_t validity_s;
    unsigned ask_cnt;
    pki_issued_fn *issued; /* of these one is set while something waits */
    pki_bundle_fn *bundle;
    void *data;
    struct pki_status status;
    bool is_ready;
    unsigned look_cnt;
};

static struct pki fake;

struct pki *fake_pki(void) {
    assert(!fake_pki_is_waiting());
    memset(&fake, 0, sizeof(fake));
    return &fake;
}

void fake_pki_refuse(enum edge_code code) {
    fake.refuse = code;
}

const char *fake_pki_asked(void) {
    return fake.asked;
}

int64_t fake_pki_validity_s(void) {
    return fake.validity_s;
}

unsigned fake_pki_ask_cnt(void) {
    return fake.ask_cnt;
}

bool fake_pki_is_waiting(void) {
    return fake.issued != NULL || fake.bundle != NULL;
}

struct pki_status *fake_pki_status(void) {
    return &fake.status;
}

unsigned fake_pki_look_cnt(void) {
    return fake.look_cnt;
}

void pki_look(struct pki *p) {
    p->look_cnt++;
}

void fake_pki_set_ready(bool is_ready) {
    fake.is_ready = is_ready;
}

static enum edge_code ask(struct pki *p, pki_issued_fn *issued, pki_bundle_fn *bundle, void *data,
                          struct op *ret_op, struct edge_error *err) {
    assert(p == &fake && !fake_pki_is_waiting());
    p->ask_cnt++;
    if (p->refuse != EDGE_OK) {
        return edge_set(err, p->refuse, "refused at once");
    }
    p->issued = issued;
    p->bundle = bundle;
    p->data = data;
    *ret_op = (struct op){7, 1};
    return EDGE_OK;
}

enum edge_code pki_issue_server(struct pki *p, const struct pki_server_request *req,
                                pki_issued_fn *done, void *data, struct op *ret_op,
                                struct edge_error *err) {
    (void)snprintf(p->asked, sizeof(p->asked), "server %.*s %.*s", SLICE_ARG(req->common_name),
                   SLICE_ARG(req->module_id));
    p->validity_s = req->validity_s;
    return ask(p, done, NULL, data, ret_op, err);
}

enum edge_code pki_issue_identity(struct pki *p, const struct pki_identity_request *req,
                                  pki_issued_fn *done, void *data, struct op *ret_op,
                                  struct edge_error *err) {
    (void)snprintf(p->asked, sizeof(p->asked), "identity %.*s %.*s %.*s", SLICE_ARG(req->module_id),
                   SLICE_ARG(req->hub), SLICE_ARG(req->device_id));
    p->validity_s = req->validity_s;
    return ask(p, done, NULL, data, ret_op, err);
}

enum edge_code pki_trust_bundle(struct pki *p, pki_bundle_fn *done, void *data, struct op *ret_op,
                                struct edge_error *err) {
    (void)snprintf(p->asked, sizeof(p->asked), "bundle");
    return ask(p, NULL, done, data, ret_op, err);
}

static void end(enum edge_code code, const struct pki_issued *cert, struct slice pem,
                const struct edge_error *err) {
    pki_issued_fn *issued = fake.issued;
    pki_bundle_fn *bundle = fake.bundle;
    assert(fake_pki_is_waiting());
    fake.issued = NULL;
    fake.bundle = NULL;
    if (issued != NULL) {
        issued(fake.data, code, cert, err);
    } else {
        bundle(fake.data, code, pem, err);
    }
}

void fake_pki_finish_cert(const struct pki_issued *cert) {
    assert(fake.issued != NULL);
    end(EDGE_OK, cert, slice_str(NULL), NULL);
}

void fake_pki_finish_bundle(const char *pem) {
    assert(fake.bundle != NULL);
    end(EDGE_OK, NULL, slice_str(pem), NULL);
}

void fake_pki_fail(enum edge_code code, const char *text) {
    struct edge_error err;
    (void)edge_set(&err, code, "%s", text);
    end(code, NULL, slice_str(NULL), &err);
}

const struct pki_status *pki_get_status(const struct pki *p) {
    return &p->status;
}

bool pki_is_ready(const struct pki *p) {
    return p->is_ready;
}
