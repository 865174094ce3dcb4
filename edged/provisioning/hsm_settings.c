/* SPDX-License-Identifier: MIT */
/*
 * From the terms of config.yaml to those of the key store, which know nothing of each other.
 */
#include "provisioning/hsm_settings.h"

struct hsm_config hsm_settings(const struct edge_config *cfg, const char *keys_dir) {
    return (struct hsm_config){
        .backend = cfg->hsm_backend == CONFIG_HSM_TPM ? HSM_BACKEND_TPM : HSM_BACKEND_SOFT,
        .state_dir = keys_dir,
        .tcti = cfg->tpm_tcti,
        .allow_emulator = cfg->tpm_allow_emulator,
        .owner_auth_file = cfg->tpm_owner_auth_file,
        .endorsement_auth_file = cfg->tpm_endorsement_auth_file,
        .ek_template =
            cfg->tpm_ek_template == CONFIG_EK_TCG_L1 ? HSM_EK_TCG_L1 : HSM_EK_LEGACY_UNIQUE0,
    };
}
