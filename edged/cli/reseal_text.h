/* SPDX-License-Identifier: MIT */
/*
 * The sealed store in sentences, for `iotedge tpm reseal`. Pure.
 */
#ifndef CLI_RESEAL_TEXT_H
#define CLI_RESEAL_TEXT_H

#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"
#include "base/slice.h"
#include "provisioning/store_change.h"

/* How the answer of the store (store_change_answer) reads. action: what was done; NULL: only a
 * look. Errors: PARSE, RANGE, NOMEM. */
enum edge_code reseal_text(struct slice answer, const enum store_action *action, struct buf *out,
                           struct edge_error *err) EDGE_NODISCARD;

/* Appends the answer's members and, unless NULL, the file that holds the recovery code. */
enum edge_code reseal_json(struct slice answer, const char *recovery_file, struct buf *out,
                           struct edge_error *err) EDGE_NODISCARD;

/* "0, 2 and 7" out of the answer's list of PCRs; "" without any. */
struct reseal_pcrs {
    char text[128];
};
struct reseal_pcrs reseal_pcr_list(const struct cJSON *store);

#endif
