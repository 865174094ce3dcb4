/* SPDX-License-Identifier: MIT */
/*
 * The cloud clients and the identity layer as a program: commands from standard input, one JSON
 * line of answer each. The integration tests drive it against a software TPM and the emulator.
 *
 *   cloud_probe TCTI STATE_DIR CA_FILE DPS_URL SCOPE REGISTRATION_ID
 */
#include "base/b64.h"
#include "base/clock.h"
#include "base/json.h"
#include "cloud/dps.h"
#include "cloud/proof.h"
#include "cloud/sas.h"
#include "identity/reconcile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS_MAX 5

struct probe {
    struct loop *loop;
    struct worker *worker;
    struct http_client *http;
    struct hsm *hsm;
    struct hub *hub;
    struct module_keys *keys;
    struct identities ids;
    struct reconcile *reconcile;
    struct cloud cloud;
    struct dps dps;
    const char *state_dir;
    struct hsm_attestation attestation;
    struct buf blob;  /* of the last answer */
    struct buf token; /* minted for the call at hand */
    struct proof proof;
    struct buf out;
    char *words[WORDS_MAX];
    uint64_t generation;
    bool is_reconciling;
    enum edge_code code;
    struct edge_error err;
};

static void check(enum edge_code code, const struct edge_error *err, const char *what) {
    if (code != EDGE_OK) {
        (void)fprintf(stderr, "%s: %s\n", what, edge_error_text(err));
        exit(2);
    }
}

static void print_line(struct probe *p) {
    (void)printf("%s\n", buf_cstr(&p->out));
    (void)fflush(stdout);
}

static void print_result(struct probe *p, enum edge_code code, const struct edge_error *err) {
    struct json_writer w;
    buf_reset(&p->out);
    json_begin(&w, &p->out);
    json_object_open(&w, NULL);
    json_add_cstr(&w, "code", edge_code_name(code));
    json_add_cstr(&w, "text", code == EDGE_OK ? "" : edge_error_text(err));
    json_add_i64(&w, "generation", (int64_t)p->generation);
    json_object_close(&w);
    check(json_end(&w, NULL), NULL, "writing");
    print_line(p);
}

/* --- Work on the worker, waited for --- */

static void job_done(void *data, enum edge_code code) {
    struct probe *p = data;
    if (code != EDGE_OK) {
        p->code = edge_set(&p->err, code, "the job did not run");
    }
    loop_stop(p->loop);
}

static void run_job(struct probe *p, void (*run)(void *data)) {
    const struct worker_job job = {.run = run, .done = job_done, .data = p};
    check(worker_submit(p->worker, &job, NULL, &p->err), &p->err, "worker");
    loop_run(p->loop);
}

static void run_attestation(void *data) {
    struct probe *p = data;
    p->code = hsm_attestation_get(p->hsm, &p->attestation, &p->err);
}

static void run_activate(void *data) {
    struct probe *p = data;
    p->code = hsm_challenge_load(p->hsm, buf_slice(&p->blob), &p->err);
}

static void run_import(void *data) {
    struct probe *p = data;
    p->code = hsm_identity_import_blob(p->hsm, buf_slice(&p->blob), SLICE_LIT("probe"),
                                       &p->generation, &p->err);
}

/* --- DPS --- */

static void on_proof(void *data, enum edge_code code, const struct proof *proof,
                     const struct edge_error *err) {
    struct probe *p = data;
    check(code, err, "token");
    buf_reset(&p->token);
    check(buf_append_str(&p->token, proof->token, NULL), NULL, "token");
    loop_stop(p->loop);
}

static const struct proof *mint(struct probe *p) {
    struct buf audience;
    buf_init(&audience, SAS_AUDIENCE_MAX);
    check(dps_audience(&p->dps, &audience, NULL), NULL, "audience");
    const struct proof_source from = {.kind = PROOF_CHALLENGE};
    check(proof_make(&p->cloud, &from, buf_slice(&audience), "registration", on_proof, p, NULL,
                     &p->err),
          &p->err, "token");
    buf_clear(&audience);
    loop_run(p->loop);
    p->proof = (struct proof){.token = buf_cstr(&p->token)};
    return &p->proof;
}

static void on_dps(void *data, const struct dps_answer *a) {
    static const char *const kinds[] = {"challenge", "assigning", "assigned",  "failed",
                                        "disabled",  "refused",   "not_found", "conflict",
                                        "throttled", "invalid",   "transient"};
    struct probe *p = data;
    struct json_writer w;
    buf_reset(&p->out);
    json_begin(&w, &p->out);
    json_object_open(&w, NULL);
    json_add_cstr(&w, "kind", kinds[a->kind]);
    json_add_cstr(&w, "code", edge_code_name(a->code));
    json_add_cstr(&w, "text", a->code == EDGE_OK ? "" : edge_error_text(&a->err));
    json_add_i64(&w, "status", a->http_status);
    json_add_i64(&w, "retryAfterMs", a->retry_after_ms);
    json_add_i64(&w, "date", a->date_wall_s);
    json_add_i64(&w, "errorCode", a->error_code);
    json_add_cstr(&w, "operation", a->operation_id);
    json_add_cstr(&w, "hub", a->hub);
    json_add_cstr(&w, "device", a->device_id);
    json_add_cstr(&w, "substatus", a->substatus);
    json_add_i64(&w, "blobLen", (int64_t)a->blob.len);
    json_object_close(&w);
    check(json_end(&w, NULL), NULL, "writing");
    buf_reset(&p->blob);
    check(buf_append_slice(&p->blob, a->blob, NULL), NULL, "blob");
    loop_stop(p->loop);
}

static enum edge_code start_dps(struct probe *p, const char *verb) {
    if (strcmp(verb, "register") == 0) {
        bool has_token = p->words[1] != NULL;
        return dps_register(&p->dps, &p->attestation, has_token ? mint(p) : NULL, on_dps, p, NULL,
                            &p->err);
    }
    if (strcmp(verb, "lookup") == 0) {
        bool has_token = p->words[1] != NULL;
        return dps_lookup(&p->dps, &p->attestation, has_token ? mint(p) : NULL, on_dps, p, NULL,
                          &p->err);
    }
    return dps_operation(&p->dps, p->words[1], mint(p), on_dps, p, NULL, &p->err);
}

/* --- Hub and identities --- */

static void on_hub(void *data, const struct hub_answer *a) {
    static const char *const kinds[] = {"ok",        "refused", "not_found", "conflict", "stale",
                                        "throttled", "invalid", "transient", "local"};
    static const char *const auths[] = {"none", "sas", "x509", "other"};
    struct probe *p = data;
    struct json_writer w;
    buf_reset(&p->out);
    json_begin(&w, &p->out);
    json_object_open(&w, NULL);
    json_add_cstr(&w, "kind", kinds[a->kind]);
    json_add_cstr(&w, "code", edge_code_name(a->err.code));
    json_add_cstr(&w, "text", a->kind == HUB_OK ? "" : edge_error_text(&a->err));
    json_add_i64(&w, "status", a->http_status);
    json_add_i64(&w, "retryAfterMs", a->retry_after_ms);
    json_array_open(&w, "modules");
    for (size_t i = 0; i < a->module_cnt; i++) {
        json_object_open(&w, NULL);
        json_add_cstr(&w, "id", a->modules[i].module_id);
        json_add_cstr(&w, "managedBy", a->modules[i].managed_by);
        json_add_cstr(&w, "generation", a->modules[i].generation_id);
        json_add_cstr(&w, "auth", auths[a->modules[i].auth]);
        json_object_close(&w);
    }
    json_array_close(&w);
    json_object_close(&w);
    check(json_end(&w, NULL), NULL, "writing");
    loop_stop(p->loop);
}

static enum edge_code start_hub(struct probe *p, const char *verb) {
    const char *module = p->words[1];
    if (strcmp(verb, "list") == 0) {
        return identities_list(&p->ids, on_hub, p, NULL, &p->err);
    }
    if (strcmp(verb, "get") == 0) {
        return hub_get(p->hub, module, on_hub, p, NULL, &p->err);
    }
    if (strcmp(verb, "create") == 0) {
        return identities_create(&p->ids, module, p->words[2], on_hub, p, NULL, &p->err);
    }
    if (strcmp(verb, "update") == 0) {
        return identities_update(&p->ids, module, p->words[2], p->words[3], on_hub, p, NULL,
                                 &p->err);
    }
    return identities_delete(&p->ids, module, on_hub, p, NULL, &p->err);
}

/* Token of a module for its own resource, signed with its primary key. */
static void on_module_key(void *data, enum edge_code code, struct mac_key *key,
                          const struct edge_error *err) {
    struct probe *p = data;
    check(code, err, "module key");
    char audience[512];
    char message[1024];
    struct buf resource;
    uint8_t mac[HSM_MAC_LEN];
    int64_t expiry = clock_wall_s() + 600;
    (void)snprintf(audience, sizeof(audience), "%s/devices/%s/modules/%s", p->words[3], p->words[4],
                   p->words[1]);
    buf_init(&resource, 1024);
    check(sas_resource(slice_str(audience), &resource, NULL), NULL, "resource");
    int len =
        snprintf(message, sizeof(message), "%s\n%lld", buf_cstr(&resource), (long long)expiry);
    check(mac_key_sign(key, message, (size_t)len, mac, &p->err), &p->err, "signing");
    buf_reset(&p->token);
    check(sas_format(buf_slice(&resource), expiry, mac, NULL, &p->token, NULL), NULL, "token");
    buf_clear(&resource);
    buf_reset(&p->out);
    struct json_writer w;
    json_begin(&w, &p->out);
    json_object_open(&w, NULL);
    json_add_cstr(&w, "token", buf_cstr(&p->token));
    json_object_close(&w);
    check(json_end(&w, NULL), NULL, "writing");
    loop_stop(p->loop);
}

static enum edge_code start_module_token(struct probe *p) {
    const struct module_key_id id = {slice_str(p->words[1]), SLICE_LIT("primary"),
                                     slice_str(p->words[2])};
    return module_keys_derive(p->keys, &id, on_module_key, p, NULL, &p->err);
}

/* --- Reconcile --- */

static void on_verdict(void *data, bool accepted, const struct hub_answer *answer) {
    struct probe *p = data;
    if (!p->is_reconciling) {
        return;
    }
    (void)printf("{\"event\":\"%s\",\"status\":%d}\n", accepted ? "accepted" : "refused",
                 answer->http_status);
    (void)fflush(stdout);
    if (!accepted) {
        loop_stop(p->loop);
    }
}

static void on_reconciled(void *data, unsigned cnt) {
    struct probe *p = data;
    (void)printf("{\"event\":\"done\",\"updated\":%u}\n", cnt);
    (void)fflush(stdout);
    loop_stop(p->loop);
}

/* --- Commands --- */

static void print_ek(struct probe *p) {
    run_job(p, run_attestation);
    check(p->code, &p->err, "attestation");
    struct json_writer w;
    buf_reset(&p->out);
    json_begin(&w, &p->out);
    json_object_open(&w, NULL);
    json_add_b64(&w, "ek", p->attestation.ek, p->attestation.ek_len);
    json_object_close(&w);
    check(json_end(&w, NULL), NULL, "writing");
    print_line(p);
}

/* Starts a request and prints its answer, or why it did not start. */
static void request(struct probe *p, enum edge_code code) {
    if (code != EDGE_OK) {
        print_result(p, code, &p->err);
        return;
    }
    loop_run(p->loop);
    print_line(p);
}

static void command(struct probe *p) {
    const char *verb = p->words[0];
    p->code = EDGE_OK;
    edge_error_clear(&p->err);
    if (strcmp(verb, "ek") == 0) {
        print_ek(p);
    } else if (strcmp(verb, "activate") == 0 || strcmp(verb, "import") == 0) {
        run_job(p, verb[0] == 'a' ? run_activate : run_import);
        print_result(p, p->code, &p->err);
    } else if (strcmp(verb, "register") == 0 || strcmp(verb, "poll") == 0 ||
               strcmp(verb, "lookup") == 0) {
        request(p, start_dps(p, verb));
    } else if (strcmp(verb, "identity") == 0) {
        const struct proof_source from = {.kind = PROOF_KEY, .key_generation = p->generation};
        print_result(
            p, hub_set_identity(p->hub, p->words[1], p->words[2], &from, p->generation, &p->err),
            &p->err);
    } else if (strcmp(verb, "token") == 0) {
        request(p, start_module_token(p));
    } else if (strcmp(verb, "reconcile") == 0) {
        check(reconcile_start(p->reconcile, p->words[1], p->words[2], p->words[3] != NULL, &p->err),
              &p->err, "reconcile");
        /* The verdict on the identity is wanted anew. */
        hub_on_verdict(p->hub, on_verdict, p);
        p->is_reconciling = true;
        loop_run(p->loop);
        p->is_reconciling = false;
    } else {
        request(p, start_hub(p, verb));
    }
}

static bool split(struct probe *p, char *line) {
    size_t cnt = 0;
    char *rest = line;
    memset(p->words, 0, sizeof(p->words));
    line[strcspn(line, "\n")] = '\0';
    for (char *word = strsep(&rest, " "); word != NULL && cnt < WORDS_MAX;
         word = strsep(&rest, " ")) {
        p->words[cnt++] = word;
    }
    return cnt > 0 && p->words[0][0] != '\0';
}

static void on_end(void *data) {
    loop_stop(((struct probe *)data)->loop);
}

static void close_hsm(void *data) {
    hsm_close(((struct probe *)data)->hsm);
}

static void open_all(struct probe *p, char **argv) {
    const struct hsm_config hc = {
        .backend = HSM_BACKEND_TPM, .state_dir = argv[2], .tcti = argv[1], .allow_emulator = true};
    const struct http_client_options options = {.extra_ca_file = argv[3],
                                                .user_agent = "cloud_probe"};
    const struct reconcile_events events = {.on_done = on_reconciled, .data = p};
    struct edge_error *err = &p->err;
    check(secret_heap_init(NULL, err), err, "secret heap");
    check(loop_new(&p->loop, err), err, "loop");
    check(worker_new(p->loop, "hsm", &p->worker, err), err, "worker");
    check(hsm_open(&hc, &p->hsm, err), err, "hsm");
    check(http_client_new(p->loop, &options, &p->http, err), err, "http");
    p->cloud = (struct cloud){p->loop, p->worker, p->hsm, p->http, NULL};
    check(hub_new(&p->cloud, &p->hub, err), err, "hub");
    check(module_keys_new(p->loop, p->worker, p->hsm, 3600, &p->keys, err), err, "keys");
    p->ids = (struct identities){.hub = p->hub, .keys = p->keys, .loop = p->loop};
    check(reconcile_new(p->loop, p->worker, p->hsm, &p->ids, argv[2], &events, &p->reconcile, err),
          err, "reconcile");
    p->dps = (struct dps){
        .cloud = &p->cloud, .endpoint = argv[4], .scope_id = argv[5], .registration_id = argv[6]};
    buf_init(&p->blob, HSM_BLOB_MAX);
    buf_init_sensitive(&p->token, 8192);
    buf_init(&p->out, 1024 * 1024);
}

static void close_all(struct probe *p) {
    reconcile_stop(p->reconcile, on_end, p);
    loop_run(p->loop);
    reconcile_free(p->reconcile);
    module_keys_free(p->keys);
    hub_free(p->hub);
    http_client_close(p->http, on_end, p);
    loop_run(p->loop);
    http_client_free(p->http);
    worker_stop(p->worker, close_hsm, on_end, p);
    loop_run(p->loop);
    worker_free(p->worker);
    loop_free(p->loop);
    buf_clear(&p->blob);
    buf_clear(&p->token);
    buf_clear(&p->out);
}

int main(int argc, char **argv) {
    static struct probe p;
    char line[4096];
    if (argc != 7) {
        (void)fprintf(stderr,
                      "usage: cloud_probe TCTI STATE_DIR CA_FILE DPS_URL SCOPE REGISTRATION_ID\n");
        return 2;
    }
    open_all(&p, argv);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        if (split(&p, line)) {
            command(&p);
        }
    }
    close_all(&p);
    return 0;
}
