/* SPDX-License-Identifier: MIT */
/*
 * The report on the device's condition (provisioning/report.h) for people. Pure.
 */
#ifndef CLI_STATUS_TEXT_H
#define CLI_STATUS_TEXT_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

/* Appends lines. What a report of another version does not say is left out. Errors: PARSE, RANGE,
 * NOMEM. */
enum edge_code status_text(struct slice json, struct buf *out,
                           struct edge_error *err) EDGE_NODISCARD;

#endif
