/* SPDX-License-Identifier: MIT */
/*
 * What certificates of modules cost: with a CA key in a file against the bare library calls that no
 * such certificate can do without, with a CA key in the TPM against its signature alone, and how
 * long a request for an RSA key waits while prepared keys last. Prints lines for tests/bench/run.
 *
 * usage: bench_pki TCTI STATE_DIR
 *        bench_pki bare            the bare library calls of one second, alone
 */
#include "base/clock.h"
#include "base/log.h"
#include "loop/loop.h"
#include "loop/worker.h"
#include "pki/leaf.h"
#include "pki/leaf_pool.h"
#include "pki/pki.h"

#include <openssl/ec.h>
#include <openssl/evp.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SPAN_US     1000000 /* of one measurement */
#define SPANS       5
#define TPM_ROUNDS  100
#define POOL_ROUNDS 6
#define YEAR_S      (365 * 86400)

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The value that a share of `permille` does not exceed. */
static uint64_t quantile(uint64_t *us, size_t cnt, size_t permille) {
    qsort(us, cnt, sizeof(us[0]), by_value);
    return us[(cnt - 1) * permille / 1000];
}

static void die(const char *what, const char *why) {
    (void)fprintf(stderr, "bench_pki: %s: %s\n", what, why);
    exit(1);
}

static void must(enum edge_code code, const char *what, const struct edge_error *err) {
    if (code != EDGE_OK) {
        die(what, edge_error_text(err));
    }
}

static uint64_t cpu_us(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* --- Authorities --- */

static void certify(struct hsm *h, enum profile_kind kind, const char *key_name, const char *signer,
                    struct slice issuer, struct buf *out) {
    struct edge_error err;
    struct hsm_key key;
    int64_t now = clock_wall_s();
    must(hsm_key_make(h, key_name, &key, &err), "making a CA key", &err);
    const struct issue_signer s = {.hsm = h, .key_name = signer};
    const struct issue_request r = {.kind = kind,
                                    .common_name = slice_str(key_name),
                                    .spki_der = slice_make(key.spki, key.spki_len),
                                    .issuer_pem = issuer,
                                    .not_before_wall_s = now,
                                    .not_after_wall_s = now + YEAR_S};
    must(issue_cert(&r, &s, out, NULL, &err), "making a CA", &err);
}

/* Three levels as in a quickstart; the chain is what a module gets. */
static struct leaf_issuer *authorities(struct hsm *h) {
    struct edge_error err;
    struct leaf_issuer *issuer = NULL;
    struct buf owner, device, chain;
    buf_init(&owner, ISSUE_PEM_MAX);
    buf_init(&device, ISSUE_PEM_MAX);
    buf_init(&chain, 2 * ISSUE_PEM_MAX);
    certify(h, PROFILE_OWNER_CA, "owner-ca-1", "owner-ca-1", slice_make(NULL, 0), &owner);
    certify(h, PROFILE_DEVICE_CA, "device-ca-1", "owner-ca-1", buf_slice(&owner), &device);
    certify(h, PROFILE_WORKLOAD_CA, "workload-ca-1", "device-ca-1", buf_slice(&device), &chain);
    must(buf_append_slice(&chain, buf_slice(&device), &err), "making a CA", &err);
    must(leaf_issuer_new(buf_slice(&chain), h, "workload-ca-1", &issuer, &err), "making a CA",
         &err);
    buf_clear(&owner);
    buf_clear(&device);
    buf_clear(&chain);
    return issuer;
}

static struct hsm *open_hsm(const char *tcti, const char *dir) {
    const struct hsm_config cfg = {.backend = tcti != NULL ? HSM_BACKEND_TPM : HSM_BACKEND_SOFT,
                                   .state_dir = dir,
                                   .tcti = tcti,
                                   .allow_emulator = true};
    struct edge_error err;
    struct hsm *h = NULL;
    must(hsm_open(&cfg, &h, &err), "opening the key store", &err);
    return h;
}

static void make_leaf(struct leaf_issuer *issuer, enum leaf_key_type type, struct leaf_key *key) {
    struct leaf leaf = {.not_after_wall_s = 0};
    struct edge_error err;
    const struct leaf_server_request r = {.common_name = SLICE_LIT("gateway.local"),
                                          .module_id = SLICE_LIT("$edgeHub"),
                                          .now_wall_s = clock_wall_s(),
                                          .not_after_wall_s = clock_wall_s() + 86400};
    must(leaf_server(issuer, &r, type, key, &leaf, &err), "making a certificate", &err);
    leaf_clear(&leaf);
}

/* --- CA key in a file --- */

static double ours_per_s(struct leaf_issuer *issuer) {
    uint64_t begin = cpu_us(), now = begin;
    unsigned cnt = 0;
    for (; now - begin < SPAN_US; now = cpu_us(), cnt++) {
        struct leaf_key key = {.spki_len = 0};
        make_leaf(issuer, LEAF_KEY_P256, &key);
    }
    return cnt * 1e6 / (double)(now - begin);
}

/* The loop of `openssl speed`, with one generation for each signature. */
static double bare_per_s(void) {
    const uint8_t digest[HSM_DIGEST_LEN] = {1};
    EVP_PKEY *ca = EVP_EC_gen("P-256");
    EVP_PKEY_CTX *sign = ca != NULL ? EVP_PKEY_CTX_new(ca, NULL) : NULL;
    EVP_PKEY_CTX *make = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (sign == NULL || make == NULL || EVP_PKEY_sign_init(sign) != 1 ||
        EVP_PKEY_keygen_init(make) != 1 || EVP_PKEY_CTX_set_group_name(make, "P-256") != 1) {
        die("bare library", "cannot be set up");
    }
    uint64_t begin = cpu_us(), now = begin;
    unsigned cnt = 0;
    for (; now - begin < SPAN_US; now = cpu_us(), cnt++) {
        uint8_t sig[80];
        size_t len = sizeof(sig);
        EVP_PKEY *key = NULL;
        if (EVP_PKEY_generate(make, &key) != 1 ||
            EVP_PKEY_sign(sign, sig, &len, digest, sizeof(digest)) != 1) {
            die("bare library", "failed");
        }
        EVP_PKEY_free(key);
    }
    EVP_PKEY_CTX_free(make);
    EVP_PKEY_CTX_free(sign);
    EVP_PKEY_free(ca);
    return cnt * 1e6 / (double)(now - begin);
}

static double median(double *values, size_t cnt) {
    for (size_t i = 1; i < cnt; i++) {
        for (size_t j = i; j > 0 && values[j] < values[j - 1]; j--) {
            double swap = values[j];
            values[j] = values[j - 1];
            values[j - 1] = swap;
        }
    }
    return values[cnt / 2];
}

static double measure_soft(struct leaf_issuer *issuer) {
    double ours[SPANS], bare[SPANS];
    for (unsigned i = 0; i < SPANS; i++) {
        ours[i] = ours_per_s(issuer);
        bare[i] = bare_per_s();
    }
    double o = median(ours, SPANS), b = median(bare, SPANS);
    printf("%-44s %12.0f/s  %s\n", "server certificates, P-256, CA key in a file", o,
           "of one core");
    printf("%-44s %12.0f/s  %s\n", "bare generation and signature", b, "in the same process");
    printf("%-44s %14.2f  %s\n", "server certificates / bare calls", o / b, "goal: at least 0.5");
    return b;
}

static void stop(void *data) {
    loop_stop(data);
}

/* --- The same as it is asked for: by the loop, made by the worker --- */

#define WINDOW PKI_PER_MODULE_MAX /* requests at a time */

struct asking {
    struct loop *loop;
    struct pki *pki;
    uint64_t until_us;
    unsigned in_flight, cnt;
};

static void ask_again(struct asking *a);

static void issued(void *data, enum edge_code code, const struct pki_issued *cert,
                   const struct edge_error *err) {
    struct asking *a = data;
    must(code, "asking for a certificate", err);
    if (cert->chain_pem.len == 0) {
        die("asking for a certificate", "it is empty");
    }
    a->in_flight--;
    a->cnt++;
    ask_again(a);
}

static void ask_again(struct asking *a) {
    const struct pki_server_request r = {.common_name = SLICE_LIT("gateway.local"),
                                         .module_id = SLICE_LIT("$edgeHub"),
                                         .now = wall_get_time(NULL),
                                         .validity_s = 86400};
    struct edge_error err;
    if (clock_mono_us() < a->until_us) {
        must(pki_issue_server(a->pki, &r, issued, a, NULL, &err), "asking for a certificate", &err);
        a->in_flight++;
    } else if (a->in_flight == 0) {
        loop_stop(a->loop);
    }
}

static uint64_t process_us(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static double asked_per_s(struct asking *a, uint64_t span_us) {
    uint64_t begin = process_us();
    a->cnt = 0;
    a->until_us = clock_mono_us() + span_us;
    for (unsigned i = 0; i < WINDOW; i++) {
        ask_again(a);
    }
    loop_run(a->loop);
    return a->cnt * 1e6 / (double)(process_us() - begin);
}

static void measure_asked(const char *dir, double bare_rate) {
    struct hsm *h = open_hsm(NULL, dir);
    struct edge_error err;
    const struct edge_config config = {.auto_generated_ca_lifetime_days = 90};
    struct asking a = {.in_flight = 0};
    struct worker *w = NULL;
    double per_s[SPANS];
    must(loop_new(&a.loop, &err), "a loop", &err);
    must(worker_new(a.loop, "bench", &w, &err), "a worker", &err);
    const struct pki_deps deps = {
        .loop = a.loop, .worker = w, .hsm = h, .config = &config, .state_dir = dir};
    must(pki_new(&deps, &a.pki, &err), "the authorities", &err);
    must(pki_start(a.pki, &err), "the authorities", &err);
    (void)asked_per_s(&a, SPAN_US / 10);
    for (unsigned i = 0; i < SPANS; i++) {
        per_s[i] = asked_per_s(&a, SPAN_US);
    }
    pki_stop(a.pki, stop, a.loop);
    loop_run(a.loop);
    pki_free(a.pki);
    worker_stop(w, NULL, stop, a.loop);
    loop_run(a.loop);
    worker_free(w);
    loop_free(a.loop);
    hsm_close(h);
    double rate = median(per_s, SPANS);
    printf("%-44s %12.0f/s  %s\n", "the same, by loop and worker", rate,
           "of processor time of both");
    printf("%-44s %14.2f\n", "by loop and worker / bare calls", rate / bare_rate);
}

/* --- Prepared RSA keys --- */

struct request {
    struct leaf_issuer *issuer;
    struct leaf_key key;
    struct loop *loop;
    uint64_t begin_us, us;
};

static void request_run(void *data) {
    struct request *r = data;
    make_leaf(r->issuer, LEAF_KEY_RSA2048, &r->key);
}

static void request_done(void *data, enum edge_code code) {
    struct request *r = data;
    (void)code;
    r->us = clock_mono_us() - r->begin_us;
    loop_stop(r->loop);
}

static uint64_t ask(struct loop *l, struct worker *w, struct leaf_pool *pool,
                    struct leaf_issuer *issuer) {
    struct edge_error err;
    struct request r = {.issuer = issuer, .loop = l, .begin_us = clock_mono_us()};
    const struct worker_job job = {.run = request_run, .done = request_done, .data = &r};
    if (!leaf_pool_take(pool, &r.key)) {
        die("prepared keys", "none is left");
    }
    must(worker_submit(w, &job, NULL, &err), "asking for a certificate", &err);
    loop_run(l);
    return r.us;
}

static void wait_for_keys(struct loop *l, struct leaf_pool *pool) {
    struct loop_timer *t = NULL;
    struct edge_error err;
    must(loop_timer_new(l, stop, l, &t, &err), "a timer", &err);
    while (leaf_pool_cnt(pool) < LEAF_POOL_MAX) {
        loop_timer_start(t, 50);
        loop_run(l);
    }
    loop_timer_free(t);
}

static uint64_t generation_us(void) {
    uint64_t us[16];
    for (unsigned i = 0; i < 16; i++) {
        struct leaf_key key = {.spki_len = 0};
        struct edge_error err;
        uint64_t begin = clock_mono_us();
        must(leaf_key_make(LEAF_KEY_RSA2048, &key, &err), "making an RSA key", &err);
        us[i] = clock_mono_us() - begin;
        leaf_key_clear(&key);
    }
    return quantile(us, 16, 500);
}

static void measure_pool(struct leaf_issuer *issuer) {
    struct edge_error err;
    struct loop *l = NULL;
    struct worker *w = NULL;
    struct leaf_pool *pool = NULL;
    uint64_t us[POOL_ROUNDS * LEAF_POOL_MAX];
    size_t cnt = 0;
    must(loop_new(&l, &err), "a loop", &err);
    must(worker_new(l, "bench", &w, &err), "a worker", &err);
    must(leaf_pool_new(l, w, LEAF_KEY_RSA2048, &pool, &err), "prepared keys", &err);
    leaf_pool_start(pool);
    for (unsigned round = 0; round < POOL_ROUNDS; round++) {
        wait_for_keys(l, pool);
        for (unsigned i = 0; i < LEAF_POOL_MAX; i++) {
            us[cnt++] = ask(l, w, pool, issuer);
        }
    }
    leaf_pool_free(pool);
    worker_stop(w, NULL, stop, l);
    loop_run(l);
    worker_free(w);
    loop_free(l);
    uint64_t generation = generation_us();
    printf("%-44s %11" PRIu64 " us\n", "RSA-2048: one generation, median", generation);
    printf("%-44s %11" PRIu64 " us  %s\n", "RSA-2048: certificate, median", quantile(us, cnt, 500),
           "prepared key");
    printf("%-44s %11" PRIu64 " us  %s\n", "RSA-2048: certificate, p99", quantile(us, cnt, 990),
           "goal: below one generation");
}

/* --- CA key in the TPM --- */

static uint64_t signature_us(struct hsm *h) {
    uint64_t us[TPM_ROUNDS];
    for (unsigned i = 0; i < TPM_ROUNDS; i++) {
        const uint8_t digest[HSM_DIGEST_LEN] = {(uint8_t)i};
        uint8_t sig[HSM_SIGNATURE_MAX];
        size_t len = 0;
        struct edge_error err;
        uint64_t begin = clock_mono_us();
        must(hsm_key_sign(h, "workload-ca-1", digest, sig, &len, &err), "signing", &err);
        us[i] = clock_mono_us() - begin;
    }
    return quantile(us, TPM_ROUNDS, 500);
}

static void measure_tpm(const char *tcti, const char *dir) {
    uint64_t us[TPM_ROUNDS];
    struct hsm *h = open_hsm(tcti, dir);
    struct leaf_issuer *issuer = authorities(h);
    struct leaf_key first = {.spki_len = 0};
    make_leaf(issuer, LEAF_KEY_P256, &first);
    uint64_t commands = hsm_command_cnt(h);
    for (unsigned i = 0; i < TPM_ROUNDS; i++) {
        struct leaf_key key = {.spki_len = 0};
        uint64_t begin = clock_mono_us();
        make_leaf(issuer, LEAF_KEY_P256, &key);
        us[i] = clock_mono_us() - begin;
    }
    commands = hsm_command_cnt(h) - commands;
    uint64_t ours = quantile(us, TPM_ROUNDS, 500);
    uint64_t signature = signature_us(h);
    leaf_issuer_free(issuer);
    hsm_close(h);
    printf("%-44s %14.2f  %s\n", "CA key in the TPM: commands for each",
           (double)commands / TPM_ROUNDS, "goal: exactly 1");
    printf("%-44s %11" PRIu64 " us\n", "CA key in the TPM: server certificate", ours);
    printf("%-44s %11" PRIu64 " us  %s\n", "CA key in the TPM: of it, the signature", signature,
           "see also: CA signature");
}

int main(int argc, char **argv) {
    struct edge_error err;
    char soft_dir[512], asked_dir[512];
    if (argc == 2 && strcmp(argv[1], "bare") == 0) {
        printf("%.0f\n", bare_per_s());
        return 0;
    }
    if (argc != 3) {
        die("usage", "bench_pki TCTI STATE_DIR, or bench_pki bare");
    }
    log_set_level(LOG_WARN);
    must(secret_heap_init(NULL, &err), "locked memory", &err);
    (void)snprintf(soft_dir, sizeof(soft_dir), "%s-soft", argv[2]);
    struct hsm *h = open_hsm(NULL, soft_dir);
    struct leaf_issuer *issuer = authorities(h);
    double bare = measure_soft(issuer);
    (void)snprintf(asked_dir, sizeof(asked_dir), "%s-asked", argv[2]);
    measure_asked(asked_dir, bare);
    measure_pool(issuer);
    leaf_issuer_free(issuer);
    hsm_close(h);
    measure_tpm(argv[1], argv[2]);
    return 0;
}
