/* SPDX-License-Identifier: MIT */
/*
 * Parts of provisioning.c that lie in files of their own: what is common to them.
 */
#ifndef PROVISIONING_INTERNAL_H
#define PROVISIONING_INTERNAL_H

#include "loop/backoff.h"
#include "provisioning/contact.h"
#include "provisioning/provisioning.h"
#include "provisioning/source.h"
#include "provisioning/state.h"

#define PROVISIONING_NOTE_MAX  512
#define CERT_SETS_MAX          2  /* of the current and the previous identity */
#define PROVISIONING_SPACING_S 60 /* least distance between two registrations, across restarts */

struct store_job;

/* Certificate files that an external provisioner named. */
struct cert_set {
    char cert_path[PROVISIONING_PATH_MAX + 1];
    char pk_path[PROVISIONING_PATH_MAX + 1];
    struct device_cert *cert;
};

struct provisioning {
    struct provisioning_deps deps;
    struct provisioning_events events;
    struct provisioning_status status;
    struct state state;
    struct contact contact;
    struct source *source;
    struct loop_timer *timer;
    struct backoff soon;    /* faults */
    struct backoff calm;    /* faults while the identity at hand works */
    struct backoff rarely;  /* refusals by the source */
    struct backoff refusal; /* refusals by the hub */
    struct backoff suggested;
    uint64_t suggested_ms; /* monotonic: before it another suggestion is not followed */
    char inputs[STATE_INPUT_LEN];
    struct provisioning_result announced;
    uint64_t serial;   /* of what was announced last; 0: nothing yet */
    uint64_t due_ms;   /* when the timer is to fire, monotonic */
    uint64_t first_ms; /* the timer is for the first contact after the start: it comes no earlier,
                          whatever the clock says of the pauses of the last run; 0: it is not */
    struct cert_set certs[CERT_SETS_MAX];
    size_t cert_cnt;
    struct device_cert *cert; /* of what was announced last */
    struct edge_error logged; /* failure that was last told at warn, and when */
    uint64_t logged_ms;
    struct edge_error late;            /* the hub's refusal that came while the source ran, */
    uint64_t late_serial;              /* of this identity; 0: none */
    char noted[PROVISIONING_NOTE_MAX]; /* by the last job; told once while it stays the same */
    char asked[CONTACT_WHY_MAX];       /* what the running or planned contact is for */
    char wish[CONTACT_WHY_MAX];        /* to ask, that came while the source ran; "": none */
    uint64_t lockout_ms;               /* monotonic: a TPM in lockout is left alone until then */
    bool loading;
    bool loaded;       /* the saved state has been read: nothing is asked before */
    bool asking;       /* the source runs */
    bool committing;   /* a new identity is being written, and not announced yet */
    bool on_previous;  /* the previous identity is on trial after the hub refused the current one */
    bool refused;      /* the planned contact is because of the hub's refusal */
    bool new_key;      /* the key of the configuration is another than the one in use */
    bool clock_told;   /* that the clock is waited for */
    bool asked_unsure; /* the last try was made while the clock was not right: TLS fails then too */
    bool reenroll_told;               /* how to enroll again, since the TPM changed */
    unsigned jobs;                    /* worker jobs in flight */
    provisioning_preview_fn *preview; /* NULL: none runs */
    void *preview_data;
    void (*stopped)(void *data);
    void *stopped_data;
};

/* One job on the worker; carries copies only. */
struct store_job {
    struct provisioning *p;
    struct hsm *hsm;
    const char *dir;
    const char *homedir;
    const struct edge_config *config; /* read only, and only while loading */
    const char *inputs;               /* of STATE_INPUT_LEN bytes */
    struct state state;
    struct contact contact;
    struct secret key;
    char note[PROVISIONING_NOTE_MAX];
    bool adopted; /* load: the state was taken over from the daemon before us */
    bool publish; /* save: refresh what other software looks at */
    bool sweep;   /* save: drop what the state does not name; not while a source runs, whose new
                     credential may be complete already, and is in no state yet */
    bool contact_only;
    uint64_t key_generation; /* load: of the configured key; 0: none, or it could not be had */
    uint64_t key_newest;     /* with it: as source.key_newest */
    int64_t now_wall_s;
    enum hsm_state key_store;
    void (*next)(struct provisioning *p, struct store_job *job);
    enum edge_code code;
    struct edge_error err;
};

/* store.c: what runs on the worker. False from the saves when they could not even be begun; then
 * no identity is lost either: the key's own file carries hub and device id. */
enum edge_code store_load(struct provisioning *p,
                          void (*next)(struct provisioning *p, struct store_job *job),
                          struct edge_error *err) EDGE_NODISCARD;
bool store_save(struct provisioning *p, bool publish,
                void (*next)(struct provisioning *p, struct store_job *job));
void store_save_contact(struct provisioning *p);

/* inputs.c: digest of the configuration that a result depends on: another value calls for another
 * registration. The key itself is not part of it. */
enum edge_code inputs_digest(const struct config_provisioning *c, char ret[STATE_INPUT_LEN],
                             struct edge_error *err) EDGE_NODISCARD;

/* schedule.c */
void schedule_init(struct provisioning *p);
/* Plans a contact, in place of one that is planned later. */
void schedule_plan(struct provisioning *p, uint64_t delay_ms, const char *why);
/* Seconds that a pause kept on disk still takes. */
int64_t schedule_wait_s(const struct provisioning *p, int64_t moment_wall_s);
/* How long nobody's wish may ask earlier: what the service and the TPM need. 0: no time. */
uint64_t schedule_floor_ms(const struct provisioning *p);
void schedule_log_failure(struct provisioning *p, const struct edge_error *err, const char *what,
                          uint64_t delay_ms);
void schedule_after_answer(struct provisioning *p, const struct source_outcome *o);
void schedule_after_fault(struct provisioning *p, const struct edge_error *err);
void schedule_by_clock(struct provisioning *p);
void schedule_on_wall(void *data);

/* reenroll.c: logs it, later. */
void reenroll_tell(struct provisioning *p);

/* verdict.c */
void verdict_announce(struct provisioning *p); /* the current identity, or the one on trial */
/* The source is done: a refusal that came meanwhile counts now, if it is about what is used still.
 * asks_anyway: the source has failed and will be asked again when it is time. */
void verdict_go_on(struct provisioning *p, bool asks_anyway);

/* provisioning.c */
int64_t provisioning_now_s(const struct provisioning *p);
void provisioning_set_state(struct provisioning *p, enum provisioning_state state);
void provisioning_start_asking(struct provisioning *p);
void provisioning_maybe_stopped(struct provisioning *p);
/* The source is done: what came meanwhile counts now, see verdict_go_on. */
void provisioning_go_on(struct provisioning *p, bool asks_anyway);

#endif
