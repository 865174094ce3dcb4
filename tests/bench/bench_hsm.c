/* SPDX-License-Identifier: MIT */
/*
 * What signatures cost in the TPM: one derivation through the HSM layer against one bare TPM2_HMAC,
 * one signature of a CA key against one bare TPM2_Sign, on the same TPM, in the same run. Prints
 * lines for tests/bench/run.
 *
 * usage: bench_hsm TCTI STATE_DIR
 */
#include "base/clock.h"
#include "hsm/hsm.h"

#include <tss2/tss2_esys.h>
#include <tss2/tss2_tctildr.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 200
#define CA_KEY "bench-ca"

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t median(uint64_t *us, size_t cnt) {
    qsort(us, cnt, sizeof(us[0]), by_value);
    return us[cnt / 2];
}

static void die(const char *what, const char *why) {
    (void)fprintf(stderr, "bench_hsm: %s: %s\n", what, why);
    exit(1);
}

static uint64_t cpu_us(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static struct hsm *open_hsm(const char *tcti, const char *dir) {
    const struct hsm_config cfg = {
        .backend = HSM_BACKEND_TPM, .state_dir = dir, .tcti = tcti, .allow_emulator = true};
    struct edge_error err;
    struct hsm *h = NULL;

    if (hsm_open(&cfg, &h, &err) != EDGE_OK || hsm_start(h, &err) != EDGE_OK) {
        die("opening the TPM", edge_error_text(&err));
    }
    return h;
}

/* A key that is used again and again stays loaded. */
static uint64_t ca_sign_us(const char *tcti, const char *dir) {
    struct hsm *h = open_hsm(tcti, dir);
    uint8_t digest[HSM_DIGEST_LEN] = {0}, sig[HSM_SIGNATURE_MAX];
    struct edge_error err;
    struct hsm_key key;
    uint64_t us[ROUNDS];
    size_t len;

    if (hsm_key_drop(h, CA_KEY, &err) != EDGE_OK ||
        hsm_key_make(h, CA_KEY, &key, &err) != EDGE_OK) {
        die("making a CA key", edge_error_text(&err));
    }
    uint64_t commands = hsm_command_cnt(h);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t begin = clock_mono_us();
        digest[0] = (uint8_t)i;
        if (hsm_key_sign(h, CA_KEY, digest, sig, &len, &err) != EDGE_OK) {
            die("signing", edge_error_text(&err));
        }
        us[i] = clock_mono_us() - begin;
    }
    commands = hsm_command_cnt(h) - commands;
    if (hsm_key_drop(h, CA_KEY, &err) != EDGE_OK) {
        die("dropping a CA key", edge_error_text(&err));
    }
    hsm_close(h);
    printf("%-44s %14.2f  %s\n", "CA signature: TPM commands for each", (double)commands / ROUNDS,
           "goal: exactly 1");
    return median(us, ROUNDS);
}

static uint64_t derive_us(const char *tcti, const char *dir, uint64_t *ret_cpu_us) {
    struct hsm *h = open_hsm(tcti, dir);
    struct edge_error err;
    uint64_t us[ROUNDS], cpu[ROUNDS];
    uint8_t fingerprint[HSM_FINGERPRINT_LEN];

    if (hsm_root_fingerprint(h, fingerprint, &err) != EDGE_OK) {
        die("opening the TPM", edge_error_text(&err));
    }
    uint64_t commands = hsm_command_cnt(h);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct secret key = {0};
        uint64_t begin = clock_mono_us(), cpu_begin = cpu_us();
        if (hsm_root_derive(h, slice_make(&i, sizeof(i)), &key, &err) != EDGE_OK) {
            die("deriving a key", edge_error_text(&err));
        }
        us[i] = clock_mono_us() - begin;
        cpu[i] = cpu_us() - cpu_begin;
        secret_clear(&key);
    }
    commands = hsm_command_cnt(h) - commands;
    hsm_close(h);
    printf("%-44s %14.2f  %s\n", "cold sign: TPM commands for each", (double)commands / ROUNDS,
           "goal: exactly 1");
    *ret_cpu_us = median(cpu, ROUNDS);
    return median(us, ROUNDS);
}

/* Keys of the same kinds in the same TPM, used with a plain password session: the least a command
 * can cost. */
static ESYS_TR make_key(ESYS_CONTEXT *ctx, bool is_ecc) {
    TPM2B_SENSITIVE_CREATE sensitive = {0};
    TPM2B_DATA outside = {0};
    TPML_PCR_SELECTION pcrs = {0};
    TPM2B_PUBLIC template = {0};
    TPM2B_PUBLIC *pub = NULL;
    TPM2B_CREATION_DATA *data = NULL;
    TPM2B_DIGEST *hash = NULL;
    TPMT_TK_CREATION *ticket = NULL;
    ESYS_TR key = ESYS_TR_NONE;

    template.publicArea.type = TPM2_ALG_KEYEDHASH;
    template.publicArea.nameAlg = TPM2_ALG_SHA256;
    template.publicArea.objectAttributes =
        TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
        TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_SIGN_ENCRYPT;
    template.publicArea.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_HMAC;
    template.publicArea.parameters.keyedHashDetail.scheme.details.hmac.hashAlg = TPM2_ALG_SHA256;
    if (is_ecc) {
        template.publicArea.type = TPM2_ALG_ECC;
        template.publicArea.parameters.eccDetail = (TPMS_ECC_PARMS){
            .symmetric.algorithm = TPM2_ALG_NULL,
            .scheme = {.scheme = TPM2_ALG_ECDSA, .details.ecdsa.hashAlg = TPM2_ALG_SHA256},
            .curveID = TPM2_ECC_NIST_P256,
            .kdf.scheme = TPM2_ALG_NULL};
    }
    if (Esys_CreatePrimary(ctx, ESYS_TR_RH_NULL, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                           &sensitive, &template, &outside, &pcrs, &key, &pub, &data, &hash,
                           &ticket) != TSS2_RC_SUCCESS) {
        die("bare TPM", "cannot create a key");
    }
    Esys_Free(pub);
    Esys_Free(data);
    Esys_Free(hash);
    Esys_Free(ticket);
    return key;
}

static TSS2_RC bare_hmac(ESYS_CONTEXT *ctx, ESYS_TR key) {
    const TPM2B_MAX_BUFFER data = {.size = 68};
    TPM2B_DIGEST *mac = NULL;
    TSS2_RC rc = Esys_HMAC(ctx, key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &data,
                           TPM2_ALG_SHA256, &mac);

    Esys_Free(mac);
    return rc;
}

static TSS2_RC bare_sign(ESYS_CONTEXT *ctx, ESYS_TR key) {
    const TPM2B_DIGEST digest = {.size = HSM_DIGEST_LEN};
    const TPMT_SIG_SCHEME scheme = {.scheme = TPM2_ALG_ECDSA,
                                    .details.any.hashAlg = TPM2_ALG_SHA256};
    const TPMT_TK_HASHCHECK ticket = {.tag = TPM2_ST_HASHCHECK, .hierarchy = TPM2_RH_NULL};
    TPMT_SIGNATURE *sig = NULL;
    TSS2_RC rc = Esys_Sign(ctx, key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &digest, &scheme,
                           &ticket, &sig);

    Esys_Free(sig);
    return rc;
}

static uint64_t bare_us(const char *tcti, bool sign) {
    TSS2_TCTI_CONTEXT *io = NULL;
    ESYS_CONTEXT *ctx = NULL;
    uint64_t us[ROUNDS];

    if (Tss2_TctiLdr_Initialize(tcti, &io) != TSS2_RC_SUCCESS ||
        Esys_Initialize(&ctx, io, NULL) != TSS2_RC_SUCCESS) {
        die("bare TPM", "cannot open it");
    }
    ESYS_TR key = make_key(ctx, sign);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t begin = clock_mono_us();
        if ((sign ? bare_sign(ctx, key) : bare_hmac(ctx, key)) != TSS2_RC_SUCCESS) {
            die("bare TPM", "a signature failed");
        }
        us[i] = clock_mono_us() - begin;
    }
    (void)Esys_FlushContext(ctx, key);
    Esys_Finalize(&ctx);
    Tss2_TctiLdr_Finalize(&io);
    return median(us, ROUNDS);
}

int main(int argc, char **argv) {
    if (argc != 3) {
        die("usage", "bench_hsm TCTI STATE_DIR");
    }
    uint64_t cpu = 0;
    uint64_t ours = derive_us(argv[1], argv[2], &cpu);
    uint64_t bare = bare_us(argv[1], false);
    uint64_t ca = ca_sign_us(argv[1], argv[2]);
    uint64_t bare_ca = bare_us(argv[1], true);
    printf("%-44s %11" PRIu64 " us  %s\n", "cold sign: one derivation", ours,
           "salted, encrypted session");
    printf("%-44s %11" PRIu64 " us\n", "cold sign: of it, processor time of ours", cpu);
    printf("%-44s %11" PRIu64 " us  %s\n", "cold sign: a bare TPM2_HMAC", bare,
           "plain password session");
    printf("%-44s %14.1f\n", "cold sign: derivation / bare command", (double)ours / (double)bare);
    printf("%-44s %11" PRIu64 " us  %s\n", "CA signature: P-256 in the TPM", ca,
           "salted, encrypted session, password by HMAC");
    printf("%-44s %11" PRIu64 " us  %s\n", "CA signature: a bare TPM2_Sign", bare_ca,
           "plain password session");
    printf("%-44s %14.1f\n", "CA signature over bare TPM2_Sign", (double)ca / (double)bare_ca);
    return 0;
}
