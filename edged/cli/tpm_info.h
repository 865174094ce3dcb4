/* SPDX-License-Identifier: MIT */
/*
 * How `iotedge tpm info` is shown: text for people, JSON for scripts and enrollment tools.
 */
#ifndef CLI_TPM_INFO_H
#define CLI_TPM_INFO_H

#include "base/buf.h"
#include "base/error.h"
#include "hsm/hsm.h"

#define TPM_INFO_OUT_MAX (256 * 1024)

/* Appends the text form. Pure. */
enum edge_code tpm_info_text(const struct hsm_tpm_info *info, struct buf *out,
                             struct edge_error *err) EDGE_NODISCARD;

/* Appends one JSON object and a line end. Pure. */
enum edge_code tpm_info_json(const struct hsm_tpm_info *info, struct buf *out,
                             struct edge_error *err) EDGE_NODISCARD;

/* Appends the command that enrolls this TPM with the provisioning service. Pure. */
enum edge_code tpm_info_enroll_line(const struct hsm_tpm_info *info, struct buf *out,
                                    struct edge_error *err) EDGE_NODISCARD;

#endif
