/* SPDX-License-Identifier: MIT */
/*
 * When which authority is made anew, as pure functions of what exists and of the time. A clock that
 * was wrong when a certificate was made shows in the same way as age does: the certificate is not
 * valid yet, or not any more.
 */
#ifndef PKI_RENEW_H
#define PKI_RENEW_H

#include "pki/pki.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RENEW_DAY_S           ((int64_t)24 * 3600)
#define RENEW_OWNER_LIFE_S    (3652 * RENEW_DAY_S) /* ten years */
#define RENEW_OWNER_OVERLAP_S (730 * RENEW_DAY_S)  /* how long old and new root go side by side */
#define RENEW_BACKDATE_S                                                                           \
    RENEW_DAY_S                /* CAs: a clock set to local time is off by hours, and a            \
                                  root is not to be replaced for that */
#define RENEW_LEAST_LEFT_S 300 /* an issuer that ends earlier is not used */
#define RENEW_LEAF_MAX_S   ((int64_t)PKI_SERVER_MAX_S) /* nothing for modules lives longer */
#define RENEW_RETRY_S      600                         /* after a renewal that failed */
#define RENEW_BEFORE_MAX   3

/* One CA. */
struct renew_ca {
    bool exists;
    bool has_key; /* in the key store, and the certificate is that key's */
    bool fits;    /* made under the present certificate of its issuer; a former owner CA: it has
                     signed for the present one */
    int64_t not_before_wall_s;
    int64_t not_after_wall_s;
};

struct renew_facts {
    struct renew_ca owner, device, workload;
    struct renew_ca before[RENEW_BEFORE_MAX]; /* former owner CAs, newest first */
    size_t before_cnt;
    int64_t life_s; /* that device and workload CA are made for */
    int64_t now_wall_s;
};

struct renew_plan {
    bool swap; /* first: the owner CA changes places with the former one `swap_with`, which is the
                  one of this time */
    size_t swap_with;
    bool cross; /* after the owner CA: former ones that are valid have to sign for it */
    bool owner, device, workload; /* to be made, in this order */
    bool is_needed;               /* nothing can be issued before that */
};

/* A chain of our own. */
struct renew_plan renew_quickstart(const struct renew_facts *f);

/* A workload CA under the operator's device CA, which lasts as long as that one: it is made once,
 * and the operator's key can be taken away. `owner` is not looked at. */
struct renew_plan renew_operator(const struct renew_facts *f);

/* When a CA of this life is due: two thirds of its life, or of life_s if that is shorter. */
int64_t renew_at(int64_t not_before_wall_s, int64_t not_after_wall_s, int64_t life_s);
int64_t renew_owner_at(int64_t not_after_wall_s);

/* Whether something can be issued under it at this time. */
bool renew_is_usable(const struct renew_ca *ca, int64_t now_wall_s);

/* Until when clients need a root whose last issuer ends then. */
int64_t renew_root_until(int64_t issuer_not_after_wall_s, int64_t now_wall_s);

/* Milliseconds until authorities should be looked at again: when something is due, and daily. */
uint64_t renew_pause_ms(const struct renew_facts *f, bool is_quickstart);

#endif
