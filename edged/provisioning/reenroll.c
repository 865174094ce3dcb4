/* SPDX-License-Identifier: MIT */
/*
 * What an operator needs who enrolls this device again, after its TPM was cleared or replaced: said
 * once, with the registration id that the TPM has now.
 */
#include "base/log.h"
#include "provisioning/internal.h"

#include <stdlib.h>

struct reenroll_job {
    struct provisioning *p;
    struct hsm_config config; /* strings of the configuration, which outlives the job */
    struct hsm_tpm_info info;
    enum edge_code code;
    struct edge_error err;
};

static void run_probe(void *data) {
    struct reenroll_job *job = data;
    enum hsm_state state = HSM_STATE_UNTRIED;
    job->code = hsm_probe(&job->config, &job->info, &state, &job->err);
}

static void probed(void *data, enum edge_code code) {
    struct reenroll_job *job = data;
    struct provisioning *p = job->p;
    bool known = code == EDGE_OK && job->code == EDGE_OK && job->info.registration_id[0] != '\0';
    p->jobs--;
    log_error("To enroll this device again take the endorsement key that 'iotedge tpm info' shows "
              "(its default registration id is %s), then let the daemon take the TPM as it is with "
              "'iotedge tpm accept-change'",
              known ? log_quote_str(job->info.registration_id) : "shown there too");
    free(job);
    provisioning_maybe_stopped(p);
}

void reenroll_tell(struct provisioning *p) {
    const struct edge_config *c = p->deps.config;
    struct reenroll_job *job = calloc(1, sizeof(*job));
    if (job == NULL) {
        return;
    }
    job->p = p;
    job->config = (struct hsm_config){
        .backend = HSM_BACKEND_TPM,
        .state_dir = p->deps.state_dir,
        .tcti = c->tpm_tcti,
        .allow_emulator = c->tpm_allow_emulator,
        .owner_auth_file = c->tpm_owner_auth_file,
        .endorsement_auth_file = c->tpm_endorsement_auth_file,
        .ek_template =
            c->tpm_ek_template == CONFIG_EK_LEGACY_UNIQUE0 ? HSM_EK_LEGACY_UNIQUE0 : HSM_EK_TCG_L1,
    };
    const struct worker_job work = {.run = run_probe, .done = probed, .data = job, .urgent = true};
    if (worker_submit(p->deps.cloud->worker, &work, NULL, NULL) != EDGE_OK) {
        free(job);
        return;
    }
    p->jobs++;
}
