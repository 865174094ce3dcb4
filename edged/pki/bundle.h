/* SPDX-License-Identifier: MIT */
/*
 * What is given out of the authorities: the trust bundle, and the chain that follows a leaf. Pure
 * but for the log.
 */
#ifndef PKI_BUNDLE_H
#define PKI_BUNDLE_H

#include "base/buf.h"
#include "base/error.h"
#include "pki/authorities.h"

#include <stdint.h>

#define BUNDLE_TIME_UNKNOWN INT64_MIN /* nothing is left out for its age */

/* The operator's bundle as it is (with '\n' line ends), our owner CA, and former roots as long as
 * they are needed. Those of others that do not fit any more are left out, with a line in the log.
 * Appends. Errors: NOT_FOUND when there is nothing to trust yet; NOMEM, RANGE. */
enum edge_code bundle_write(const struct authorities *a, int64_t now_wall_s, struct buf *out,
                            struct edge_error *err) EDGE_NODISCARD;

/* Workload CA, what is above it up to below the root, and our owner CA under former roots. */
enum edge_code bundle_write_chain(const struct authorities *a, int64_t now_wall_s, struct buf *out,
                                  struct edge_error *err) EDGE_NODISCARD;

#endif
