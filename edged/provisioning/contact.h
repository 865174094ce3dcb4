/* SPDX-License-Identifier: MIT */
/*
 * When the cloud may be asked next, kept on disk, so that neither a restart loop nor a watchdog
 * turns a wish to wait into a storm. Two lines, as the saved result: checksum and JSON. Losing it
 * loses nothing but patience: a damaged file is set aside and counts as absent. The file functions
 * block (worker thread); the others are pure.
 */
#ifndef PROVISIONING_CONTACT_H
#define PROVISIONING_CONTACT_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define CONTACT_FILE      "contact"
#define CONTACT_SIZE_MAX  4096
#define CONTACT_WHY_MAX   128
#define CONTACT_TEXT_MAX  240
#define CONTACT_INPUT_LEN 65 /* as STATE_INPUT_LEN */

/* No peer's wish and no step of the clock keeps us away for longer. */
#define CONTACT_WAIT_MAX_S (6 * 60 * 60)

struct contact {
    int64_t not_before_wall_s; /* what we planned; 0: at any time */
    int64_t floor_wall_s; /* holds for an operator's wish too: a peer's Retry-After and the least
                             distance between two registrations; 0: none */
    char inputs[CONTACT_INPUT_LEN];    /* digest of the configuration that this is about */
    char why[CONTACT_WHY_MAX];         /* what is waited for, "" when nothing */
    uint32_t failures;                 /* in a row: where the backoff goes on */
    bool refused;                      /* the last answer was a refusal, not a fault */
    int64_t last_wall_s;               /* last time a registration was begun; 0: never */
    int64_t last_ok_wall_s;            /* last time one succeeded; 0: never */
    int64_t last_error_wall_s;         /* 0: never */
    char last_error[CONTACT_TEXT_MAX]; /* kept after a success: what went wrong last */
};

/* Seconds from now until a moment of the record (0: has come): 0 to CONTACT_WAIT_MAX_S. A moment
 * further away was written under another clock. */
int64_t contact_wait_s(int64_t moment_wall_s, int64_t now_wall_s);

enum edge_code contact_encode(const struct contact *c, struct buf *out,
                              struct edge_error *err) EDGE_NODISCARD;
enum edge_code contact_decode(struct slice text, struct contact *ret,
                              struct edge_error *err) EDGE_NODISCARD;

/* A missing file gives an empty record. ret_note as in state_load. Errors: DENIED, IO, NOMEM. */
enum edge_code contact_load(const char *dir, struct contact *ret, char *ret_note, size_t note_size,
                            struct edge_error *err) EDGE_NODISCARD;
enum edge_code contact_save(const char *dir, const struct contact *c,
                            struct edge_error *err) EDGE_NODISCARD;

#endif
