/* SPDX-License-Identifier: MIT */
/*
 * A keeper of authorities, and what a module gets of them. Each function fails the cmocka test when
 * it cannot.
 */
#ifndef SUPPORT_KEEPER_WORLD_H
#define SUPPORT_KEEPER_WORLD_H

#include "base/buf.h"
#include "hsm/hsm.h"
#include "loop/wall.h"
#include "pki/keeper.h"
#include "support/tmpdir.h"

#include <stddef.h>
#include <stdint.h>

#define KEEPER_WORLD_LIFE_S ((int64_t)90 * 24 * 3600) /* of device and workload CA */

struct keeper_world {
    struct tmpdir *dir; /* the state folder; borrowed, as is the key store */
    struct hsm *hsm;
    struct keeper *keeper;
    struct operator_files files; /* none at first */
    struct wall_time now;        /* usable and trusted at first */
    struct buf leaf;             /* chain of the last leaf */
    struct buf bundle;           /* the last one */
};

/* Opens the keeper, too. */
void keeper_world_init(struct keeper_world *w, struct tmpdir *dir, struct hsm *hsm,
                       int64_t now_wall_s);
void keeper_world_clear(struct keeper_world *w);

/* As after a start, with w->files. */
void keeper_world_restart(struct keeper_world *w);

/* A server certificate of $edgeHub, called gateway, with the longest life. */
enum edge_code keeper_world_try_issue(struct keeper_world *w, struct edge_error *err);
void keeper_world_issue(struct keeper_world *w);

/* The trust bundle. */
void keeper_world_fetch(struct keeper_world *w);

/* X509_V_OK when the last leaf verifies with the last bundle, now. */
int keeper_world_verify(const struct keeper_world *w);

struct pki_status keeper_world_status(const struct keeper_world *w);
size_t keeper_world_key_cnt(const struct keeper_world *w);

#endif
