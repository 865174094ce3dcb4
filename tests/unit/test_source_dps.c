/* SPDX-License-Identifier: MIT */
/*
 * The steps of a registration with TPM attestation: what is sent when, and what each answer of the
 * service leads to.
 */
#include "cloud/dps.h"
#include "fake_loop.h"
#include "provisioning/source.h"
#include "support/alloc_fail.h"
#include "support/fake_device_cert.h"
#include "support/provisioning_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static char steps[256]; /* one letter for each step: K keys, R register, C challenge, T token, A
                           authorized register, P poll, I import, D drop */

static struct {
    dps_done_fn *done;
    void *data;
    char token[64];
    char operation[DPS_TEXT_MAX];
    char id[129];
} sent;

static struct {
    enum edge_code keys, challenge, import, token;
    char label[HSM_LABEL_MAX + 1];
    char blob[64];
    unsigned tokens;
} hsm;

static struct {
    struct source *source;
    struct cloud cloud;
    struct device_cert cert;
    struct edge_config cfg;
    enum proof_kind kind; /* what the source is to prove itself with */
    const char *audience;
    struct source_outcome outcome;
    unsigned done;
} env;

static void mark(char c) {
    size_t len = strlen(steps);
    steps[len] = c;
    steps[len + 1] = '\0';
}

enum edge_code hsm_attestation_get(struct hsm *h, struct hsm_attestation *ret,
                                   struct edge_error *err) {
    (void)h;
    mark('K');
    if (hsm.keys != EDGE_OK) {
        return edge_set(err, hsm.keys, "no TPM");
    }
    memset(ret, 0, sizeof(*ret));
    ret->ek_len = 316;
    ret->srk_len = 284;
    return EDGE_OK;
}

enum edge_code hsm_registration_id(const uint8_t *ek, size_t ek_len, char ret[64],
                                   struct edge_error *err) {
    (void)ek;
    (void)err;
    assert_int_equal(ek_len, 316);
    memset(ret, 0, 64);
    strcpy(ret, "default-id");
    return EDGE_OK;
}

enum edge_code hsm_challenge_load(struct hsm *h, struct slice blob, struct edge_error *err) {
    (void)h;
    mark('C');
    assert_true(slice_eq_str(blob, "challenge"));
    return hsm.challenge == EDGE_OK ? EDGE_OK
                                    : edge_set(err, hsm.challenge, "made for another TPM");
}

void hsm_challenge_drop(struct hsm *h) {
    (void)h;
    mark('D');
}

enum edge_code hsm_identity_import_blob(struct hsm *h, struct slice blob, struct slice label,
                                        uint64_t *ret_generation, struct edge_error *err) {
    (void)h;
    mark('I');
    assert_true(slice_to_array(blob, hsm.blob, sizeof(hsm.blob)));
    assert_true(slice_to_array(label, hsm.label, sizeof(hsm.label)));
    if (hsm.import != EDGE_OK) {
        return edge_set(err, hsm.import, "disk full");
    }
    *ret_generation = 7;
    return EDGE_OK;
}

static struct {
    proof_done_fn *done;
    void *data;
    struct proof_source from;
} proving;

static void proved(void *data) {
    (void)data;
    char token[32];
    struct edge_error err;
    (void)snprintf(token, sizeof(token), "token-%u", ++hsm.tokens);
    const struct http_client_identity identity = {SLICE_LIT("chain"), SLICE_LIT("key")};
    struct proof proof = {.token = token};
    if (proving.from.kind == PROOF_CERT) {
        proof = (struct proof){.identity = &identity};
    }
    if (hsm.token != EDGE_OK) {
        (void)edge_set(&err, hsm.token, "the TPM is away");
        proving.done(proving.data, hsm.token, NULL, &err);
    } else {
        proving.done(proving.data, EDGE_OK, &proof, NULL);
    }
}

enum edge_code proof_make(const struct cloud *c, const struct proof_source *from,
                          struct slice audience, const char *key_name, proof_done_fn *done,
                          void *data, struct op *ret_op, struct edge_error *err) {
    mark('T');
    assert_string_equal(key_name, "registration");
    assert_true(slice_eq_str(audience, env.audience));
    assert_int_equal(from->kind, env.kind);
    if (from->kind != PROOF_CERT && !wall_is_usable(c->wall)) {
        return edge_set(err, EDGE_RETRY, "the clock shows 1970");
    }
    proving.done = done;
    proving.data = data;
    proving.from = *from;
    *ret_op = OP_NONE;
    return loop_post(fake_loop(), proved, NULL, err);
}

enum edge_code dps_audience(const struct dps *dps, struct buf *out, struct edge_error *err) {
    return buf_printf(out, err, "%s/registrations/%s", dps->scope_id, dps->registration_id);
}

static enum edge_code send(const struct dps *dps, const struct proof *proof, dps_done_fn *done,
                           void *data, struct op *ret_op) {
    assert_null(sent.done);
    sent.done = done;
    sent.data = data;
    const char *text = proof == NULL ? "" : proof->token != NULL ? proof->token : "certificate";
    (void)snprintf(sent.token, sizeof(sent.token), "%s", text);
    (void)snprintf(sent.id, sizeof(sent.id), "%s", dps->registration_id);
    *ret_op = OP_NONE;
    return EDGE_OK;
}

enum edge_code dps_register(const struct dps *dps, const struct hsm_attestation *keys,
                            const struct proof *proof, dps_done_fn *done, void *data,
                            struct op *ret_op, struct edge_error *err) {
    (void)err;
    mark(proof == NULL ? 'R' : 'A');
    assert_true(env.kind == PROOF_CHALLENGE ? keys->ek_len == 316 : keys == NULL);
    return send(dps, proof, done, data, ret_op);
}

enum edge_code dps_operation(const struct dps *dps, const char *operation_id,
                             const struct proof *proof, dps_done_fn *done, void *data,
                             struct op *ret_op, struct edge_error *err) {
    (void)err;
    mark('P');
    (void)snprintf(sent.operation, sizeof(sent.operation), "%s", operation_id);
    return send(dps, proof, done, data, ret_op);
}

enum edge_code dps_lookup(const struct dps *dps, const struct hsm_attestation *keys,
                          const struct proof *proof, dps_done_fn *done, void *data,
                          struct op *ret_op, struct edge_error *err) {
    (void)keys;
    (void)err;
    mark(proof == NULL ? 'l' : 'L');
    return send(dps, proof, done, data, ret_op);
}

static void answer(struct dps_answer a) {
    dps_done_fn *done = sent.done;
    assert_non_null(done);
    sent.done = NULL;
    if (a.code != EDGE_OK) {
        (void)edge_set(&a.err, a.code, "the service said so");
    }
    done(sent.data, &a);
    fake_loop_run();
}

static void on_done(void *data, const struct source_outcome *o) {
    (void)data;
    env.done++;
    env.outcome = *o;
}

static void start(void) {
    assert_int_equal(env.source->ops->begin(env.source, on_done, NULL, false, NULL), EDGE_OK);
    fake_loop_run();
}

static int make(void) {
    const struct provisioning_deps deps = {
        .cloud = &env.cloud, .config = &env.cfg, .cert = &env.cert, .state_dir = "/"};
    return source_dps_new(&deps, "inputs", &env.source, NULL) != EDGE_OK;
}

/* Another credential in place of the TPM. */
static void remake(enum config_credential credential, enum proof_kind kind) {
    env.source->ops->free(env.source);
    env.cfg.provisioning.credential = credential;
    env.kind = kind;
    assert_int_equal(make(), 0);
}

static int setup(void **state) {
    (void)state;
    memset(&sent, 0, sizeof(sent));
    memset(&hsm, 0, sizeof(hsm));
    memset(&env, 0, sizeof(env));
    steps[0] = '\0';
    fake_loop_init();
    world_init();
    env.cloud = (struct cloud){fake_loop(), fake_worker(), NULL, NULL, &world.wall};
    env.cert = (struct device_cert){.loop = fake_loop(), .cert_pem = "chain", .key_pem = "key"};
    env.audience = "0neScope/registrations/default-id";
    env.cfg.provisioning.source = CONFIG_SOURCE_DPS;
    env.cfg.provisioning.global_endpoint = (char *)"https://dps.example";
    env.cfg.provisioning.scope_id = (char *)"0neScope";
    return make();
}

static int teardown(void **state) {
    (void)state;
    fake_loop_run();
    env.source->ops->free(env.source);
    fake_loop_clear();
    return 0;
}

static struct dps_answer challenge(void) {
    return (struct dps_answer){
        .kind = DPS_CHALLENGE, .http_status = 401, .blob = SLICE_LIT("challenge")};
}

static struct dps_answer assigning(uint32_t retry_after_ms) {
    return (struct dps_answer){.kind = DPS_ASSIGNING,
                               .http_status = 202,
                               .retry_after_ms = retry_after_ms,
                               .operation_id = "op-1"};
}

static struct dps_answer assigned(void) {
    return (struct dps_answer){.kind = DPS_ASSIGNED,
                               .http_status = 200,
                               .hub = "hub.example",
                               .device_id = "dev-01",
                               .blob = SLICE_LIT("device key")};
}

static void test_whole_dance(void **unused) {
    (void)unused;
    start();
    assert_string_equal(sent.id, "default-id");
    answer(challenge());
    assert_string_equal(sent.token, "token-1");
    answer(assigning(3000));
    assert_null(sent.done);
    fake_loop_advance(2999);
    assert_null(sent.done);
    fake_loop_advance(1);
    assert_string_equal(sent.operation, "op-1");
    assert_string_equal(sent.token, "token-2"); /* a fresh one for each request */
    answer(assigning(0));
    fake_loop_advance(3000);
    assert_string_equal(sent.token, "token-3");
    answer(assigned());
    assert_int_equal(env.done, 1);
    assert_int_equal(env.outcome.verdict, SOURCE_ASSIGNED);
    assert_string_equal(env.outcome.result.hub, "hub.example");
    assert_string_equal(env.outcome.result.device_id, "dev-01");
    assert_int_equal(env.outcome.result.key_generation, 7);
    assert_string_equal(hsm.blob, "device key");
    assert_non_null(strstr(hsm.label, "hub.example"));
    assert_string_equal(steps, "KRCTATPTPID");
}

static void test_assigned_at_once(void **unused) {
    (void)unused;
    start();
    answer(challenge());
    answer(assigned());
    assert_int_equal(env.outcome.verdict, SOURCE_ASSIGNED);
    assert_string_equal(steps, "KRCTAID");
}

static void refused_at_first(enum dps_kind kind, enum source_verdict verdict) {
    start();
    answer((struct dps_answer){.kind = kind, .code = EDGE_REMOTE, .retry_after_ms = 9000});
    assert_int_equal(env.outcome.verdict, verdict);
    assert_int_equal(env.outcome.retry_after_ms, 9000);
    assert_string_equal(env.outcome.err.text, "the service said so");
    assert_int_equal(env.done, 1);
    env.done = 0;
}

static void test_refusals(void **unused) {
    (void)unused;
    refused_at_first(DPS_REFUSED, SOURCE_REFUSED);
    refused_at_first(DPS_NOT_FOUND, SOURCE_REFUSED);
    refused_at_first(DPS_INVALID, SOURCE_REFUSED);
    refused_at_first(DPS_DISABLED, SOURCE_REFUSED);
    refused_at_first(DPS_FAILED, SOURCE_REFUSED);
    refused_at_first(DPS_THROTTLED, SOURCE_TRANSIENT);
    refused_at_first(DPS_TRANSIENT, SOURCE_TRANSIENT);
    refused_at_first(DPS_CONFLICT, SOURCE_TRANSIENT);
}

static void test_forgotten_operation_starts_over(void **unused) {
    (void)unused;
    start();
    answer(challenge());
    answer(assigning(1000));
    fake_loop_advance(1000);
    answer((struct dps_answer){.kind = DPS_NOT_FOUND, .code = EDGE_NOT_FOUND});
    assert_int_equal(env.outcome.verdict, SOURCE_TRANSIENT);
}

static void test_second_challenge_is_a_refusal(void **unused) {
    (void)unused;
    start();
    answer(challenge());
    answer((struct dps_answer){.kind = DPS_REFUSED, .code = EDGE_DENIED});
    assert_int_equal(env.outcome.verdict, SOURCE_REFUSED);
    assert_string_equal(steps, "KRCTAD"); /* the challenge key does not stay loaded */
}

static void test_assignment_without_key(void **unused) {
    (void)unused;
    struct dps_answer a = assigned();
    a.blob.len = 0;
    start();
    answer(challenge());
    answer(a);
    assert_int_equal(env.outcome.verdict, SOURCE_REFUSED);
    assert_non_null(strstr(env.outcome.err.text, "no device key"));
}

static void test_key_store_failures(void **unused) {
    (void)unused;
    hsm.keys = EDGE_NOT_FOUND;
    start();
    assert_int_equal(env.outcome.verdict, SOURCE_LOCAL);
    assert_string_equal(env.outcome.err.text, "no TPM");
    hsm.keys = EDGE_OK;
    hsm.challenge = EDGE_DENIED;
    start();
    answer(challenge());
    assert_int_equal(env.outcome.verdict, SOURCE_LOCAL);
    hsm.challenge = EDGE_OK;
    hsm.token = EDGE_HSM;
    start();
    answer(challenge());
    assert_int_equal(env.outcome.verdict, SOURCE_LOCAL);
    hsm.token = EDGE_OK;
    hsm.import = EDGE_IO;
    start();
    answer(challenge());
    answer(assigned());
    assert_int_equal(env.outcome.verdict, SOURCE_LOCAL);
    assert_non_null(strstr(env.outcome.err.text, "disk full"));
    assert_int_equal(env.done, 4);
}

static void test_endless_assignment_is_given_up(void **unused) {
    (void)unused;
    start();
    answer(challenge());
    answer(assigning(60000));
    for (int i = 0; i < 30 && env.done == 0; i++) {
        fake_loop_advance(60000);
        if (sent.done != NULL) {
            answer(assigning(60000));
        }
    }
    assert_int_equal(env.done, 1);
    assert_int_equal(env.outcome.verdict, SOURCE_TRANSIENT);
}

static void test_full_queue(void **unused) {
    (void)unused;
    struct edge_error err;
    fake_worker_fail(EDGE_BUSY);
    assert_int_equal(env.source->ops->begin(env.source, on_done, NULL, false, &err), EDGE_BUSY);
    fake_loop_run();
    assert_int_equal(env.done, 0);
    fake_worker_fail(EDGE_OK);
    start();
    fake_worker_fail(EDGE_BUSY);
    answer(challenge());
    assert_int_equal(env.done, 1);
    assert_int_equal(env.outcome.verdict, SOURCE_LOCAL);
    fake_worker_fail(EDGE_OK);
}

static void test_cancel_in_each_wait(void **unused) {
    (void)unused;
    fake_worker_hold(true);
    assert_int_equal(env.source->ops->begin(env.source, on_done, NULL, false, NULL), EDGE_OK);
    env.source->ops->cancel(env.source);
    fake_loop_run();
    assert_int_equal(env.done, 1);
    assert_int_equal(env.outcome.verdict, SOURCE_CANCELED);
    fake_worker_hold(false);

    start();
    answer(challenge());
    answer(assigning(5000));
    env.source->ops->cancel(env.source);
    assert_int_equal(env.done, 1); /* never inside the call */
    fake_loop_run();
    assert_int_equal(env.done, 2);
    assert_int_equal(env.outcome.verdict, SOURCE_CANCELED);
    assert_int_equal(fake_loop_active_timers(), 0);

    start();
    env.source->ops->cancel(env.source); /* a request is in flight: its answer ends it */
    answer(challenge());
    assert_int_equal(env.done, 3);
    assert_int_equal(env.outcome.verdict, SOURCE_CANCELED);
    env.source->ops->cancel(env.source); /* idle: nothing */
    fake_loop_run();
    assert_int_equal(env.done, 3);
}

static void test_symmetric_key(void **unused) {
    (void)unused;
    env.cfg.provisioning.registration_id = (char *)"Reg-01";
    env.audience = "0neScope/registrations/Reg-01";
    remake(CONFIG_CREDENTIAL_KEY, PROOF_KEY);
    start();
    assert_int_equal(env.outcome.verdict, SOURCE_REFUSED);
    assert_non_null(strstr(env.outcome.err.text, "import-key"));
    world_add_imported(3, "dps:0neScope/Reg-01", "k");
    start();
    assert_int_equal(proving.from.key_generation, 3);
    answer(assigning(1000));
    fake_loop_advance(1000);
    struct dps_answer a = assigned();
    a.blob.len = 0;
    answer(a);
    assert_int_equal(env.outcome.verdict, SOURCE_ASSIGNED);
    assert_int_equal(env.outcome.result.credential, PROVISIONING_KEY);
    assert_int_equal(env.outcome.result.key_generation, 3);
    assert_string_equal(steps, "TATP");
}

static void test_certificate(void **unused) {
    (void)unused;
    remake(CONFIG_CREDENTIAL_X509, PROOF_CERT);
    assert_false(env.source->ops->needs_clock);
    start(); /* the certificate has no common name */
    assert_int_equal(env.outcome.verdict, SOURCE_REFUSED);
    assert_non_null(strstr(env.outcome.err.text, "registration_id"));
    env.cert.common_name = "device-7";
    env.audience = "0neScope/registrations/device-7";
    start();
    assert_string_equal(sent.token, "certificate");
    assert_string_equal(sent.id, "device-7");
    struct dps_answer a = assigned();
    a.blob.len = 0;
    answer(a);
    assert_int_equal(env.outcome.verdict, SOURCE_ASSIGNED);
    assert_int_equal(env.outcome.result.credential, PROVISIONING_CERT);
    assert_int_equal(env.outcome.result.key_generation, 0);
    env.cert.fail = EDGE_CONFLICT;
    start();
    assert_int_equal(env.outcome.verdict, SOURCE_REFUSED);
}

static struct dps_answer unauthorized(void) {
    return (struct dps_answer){.kind = DPS_REFUSED, .code = EDGE_DENIED, .http_status = 401};
}

static void test_refused_token_is_made_anew_once(void **unused) {
    (void)unused;
    start();
    answer(challenge());
    answer(unauthorized());
    assert_string_equal(sent.token, "token-2");
    answer(unauthorized());
    assert_int_equal(env.outcome.verdict, SOURCE_REFUSED);
    assert_string_equal(steps, "KRCTATAD");
}

static void test_clock_is_asked_for_before_a_key_signs(void **unused) {
    (void)unused;
    env.cfg.provisioning.registration_id = (char *)"Reg-01";
    env.audience = "0neScope/registrations/Reg-01";
    remake(CONFIG_CREDENTIAL_KEY, PROOF_KEY);
    world_add_imported(3, "dps:0neScope/Reg-01", "k");
    world.wall.state = WALL_WRONG;
    start();
    assert_string_equal(sent.token, "");
    answer(unauthorized()); /* its Date was of no use */
    assert_int_equal(env.outcome.verdict, SOURCE_CLOCK);
    start();
    world.wall.state = WALL_CORRECTED;
    answer(unauthorized());
    assert_string_equal(sent.token, "token-1");
    answer(assigned());
    assert_int_equal(env.outcome.verdict, SOURCE_ASSIGNED);
    assert_string_equal(steps, "TlTTlTA");
}

static void test_look(void **unused) {
    (void)unused;
    assert_int_equal(env.source->ops->begin(env.source, on_done, NULL, true, NULL), EDGE_OK);
    fake_loop_run();
    answer(challenge());
    struct dps_answer a = assigned();
    a.blob.len = 0;
    answer(a);
    assert_int_equal(env.outcome.verdict, SOURCE_ASSIGNED);
    assert_string_equal(env.outcome.result.hub, "hub.example");
    assert_string_equal(steps, "KlCTLD");
    assert_int_equal(env.source->ops->begin(env.source, on_done, NULL, true, NULL), EDGE_OK);
    fake_loop_run();
    answer(challenge());
    answer(assigning(1000));
    assert_int_equal(env.outcome.verdict, SOURCE_TRANSIENT);
}

/* Memory may run out once anywhere: a registration that began ends with exactly one outcome. */
static enum edge_code one_registration(void *data) {
    (void)data;
    steps[0] = '\0';
    memset(&hsm, 0, sizeof(hsm));
    env.done = 0;
    enum edge_code code = env.source->ops->begin(env.source, on_done, NULL, false, NULL);
    fake_loop_run();
    if (code != EDGE_OK) {
        assert_int_equal(env.done, 0);
        return code;
    }
    if (sent.done != NULL) {
        answer(challenge());
    }
    if (sent.done != NULL) {
        answer(assigning(1000));
        fake_loop_advance(1000);
    }
    if (sent.done != NULL) {
        answer(assigned());
    }
    assert_int_equal(env.done, 1);
    assert_null(sent.done);
    return env.outcome.verdict == SOURCE_ASSIGNED ? EDGE_OK : EDGE_NOMEM;
}

static void test_out_of_memory_anywhere(void **unused) {
    (void)unused;
    assert_true(alloc_fail_torture(one_registration, NULL) > 5);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_whole_dance),
        T(test_assigned_at_once),
        T(test_refusals),
        T(test_forgotten_operation_starts_over),
        T(test_second_challenge_is_a_refusal),
        T(test_assignment_without_key),
        T(test_key_store_failures),
        T(test_endless_assignment_is_given_up),
        T(test_full_queue),
        T(test_cancel_in_each_wait),
        T(test_symmetric_key),
        T(test_certificate),
        T(test_refused_token_is_made_anew_once),
        T(test_clock_is_asked_for_before_a_key_signs),
        T(test_look),
        T(test_out_of_memory_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
