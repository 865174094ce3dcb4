/* SPDX-License-Identifier: MIT */
/*
 * The sealed store as `iotedge status` and `iotedge tpm reseal` report it. Pure.
 */
#ifndef PROVISIONING_REPORT_STORE_H
#define PROVISIONING_REPORT_STORE_H

#include "base/json.h"
#include "hsm/hsm.h"

#include <stdbool.h>
#include <stdint.h>

#define REPORT_STORE_NONE   "none"   /* nothing has been sealed yet */
#define REPORT_STORE_OPEN   "open"   /* not bound to PCR values */
#define REPORT_STORE_BOUND  "bound"  /* to those that the machine has now */
#define REPORT_STORE_LOCKED "locked" /* the machine has others, or the TPM refuses */

/* What everything sealed hangs from. */
struct report_store {
    const char *state; /* REPORT_STORE_... */
    const char *text;  /* borrowed; NULL or "": none */
    uint32_t pcrs;     /* it is bound to; bit n: PCR n */
    bool has_planned;  /* values that are still to come open it too */
};

/* text is borrowed from info. */
struct report_store report_store_of(const struct hsm_store_info *info);

/* Adds the numbers of PCRs from a mask (bit n: PCR n), as a list. */
void report_store_add_pcrs(struct json_writer *w, const char *name, uint32_t pcrs);

/* Adds the object, or null for NULL. */
void report_store_add(struct json_writer *w, const char *name, const struct report_store *s);

#endif
