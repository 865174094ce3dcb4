/* SPDX-License-Identifier: MIT */
/*
 * A struct pki with real authorities, a loop without threads and a key store in memory; and answers
 * of its requests. Each function fails the cmocka test when it cannot.
 */
#ifndef SUPPORT_PKI_WORLD_H
#define SUPPORT_PKI_WORLD_H

#include "base/buf.h"
#include "pki/pki.h"
#include "support/fake_loop.h"
#include "support/tmpdir.h"

#include <stdbool.h>
#include <stdint.h>

#define PKI_WORLD_NOW FAKE_LOOP_WALL_S

struct pki_world {
    struct tmpdir *dir;
    struct hsm *hsm;   /* fake_hsm */
    struct wall *wall; /* fake_wall */
    struct edge_config config;
    struct pki *pki;
    bool stopped;
};

/* Fixtures: *state is the world. The second stops and frees everything. */
int pki_world_setup(void **state);
int pki_world_teardown(void **state);
struct pki_deps pki_world_deps(struct pki_world *w);
void pki_world_stopped(void *data);

struct pki_answer {
    unsigned cnt; /* how often it came */
    enum edge_code code;
    char text[EDGE_ERROR_TEXT_MAX];
    struct buf pem; /* chain or bundle */
    char key[64];   /* how the private key begins */
    int64_t not_after_wall_s;
};

void pki_answer_init(struct pki_answer *a);
void pki_answer_clear(struct pki_answer *a);
void pki_answer_issued(void *data, enum edge_code code, const struct pki_issued *cert,
                       const struct edge_error *err);
void pki_answer_bundle(void *data, enum edge_code code, struct slice pem,
                       const struct edge_error *err);

/* Asks for a server certificate of $edgeHub. */
enum edge_code pki_world_ask(struct pki_world *w, const char *name, int64_t validity_s,
                             struct pki_answer *a, struct op *op, struct edge_error *err);

#endif
