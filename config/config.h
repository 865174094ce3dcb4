/* SPDX-License-Identifier: MIT */
/*
 * config.yaml as a validated structure. Layers, later wins: built-in defaults, the file, the
 * environment (IOTEDGE_HOSTNAME, IOTEDGE_HOMEDIR). All problems of a document are reported at once.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/buf.h"
#include "base/error.h"
#include "base/secret.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_PATH_DEFAULT        "/etc/iotedge/config.yaml"
#define CONFIG_SIZE_MAX            (1024 * 1024) /* bytes of the document */
#define CONFIG_PROBLEMS_MAX        100           /* reported problems; the count goes on */
#define CONFIG_DERIVED_KEY_TTL_MAX 604800        /* seconds: a week */
#define CONFIG_STARTUP_SPREAD_MAX  86400         /* seconds: a day */
#define CONFIG_PCR_MAX             23            /* last PCR of a PC */
#define CONFIG_KEY_MAX             64            /* bytes of a decoded symmetric key */
#define CONFIG_AUTH_MAX            8192          /* bytes of registry credentials as JSON */
#define CONFIG_NETWORK_RANGES_MAX  16
#define CONFIG_IMAGE_DAYS_MAX      3650
#define CONFIG_IMAGE_HOURS_MAX     8760 /* a year */

enum config_source {
    CONFIG_SOURCE_MANUAL,
    CONFIG_SOURCE_DPS,
    CONFIG_SOURCE_EXTERNAL,
};

/* What the device proves itself with. */
enum config_credential {
    CONFIG_CREDENTIAL_TPM,      /* DPS: the TPM's challenge */
    CONFIG_CREDENTIAL_KEY,      /* symmetric key, from the file or imported before */
    CONFIG_CREDENTIAL_X509,     /* certificate and private key in files */
    CONFIG_CREDENTIAL_EXTERNAL, /* whatever the external environment says */
};

enum config_hsm {
    CONFIG_HSM_TPM,
    CONFIG_HSM_SOFT,
};

enum config_ek_template {
    CONFIG_EK_TCG_L1,
    CONFIG_EK_LEGACY_UNIQUE0,
};

/* Keys of the certificates that are made for modules. */
enum config_leaf_key {
    CONFIG_LEAF_P256,
    CONFIG_LEAF_RSA2048,
};

/* What becomes of running modules when the daemon is stopped. */
enum config_on_stop {
    CONFIG_STOP_AUTO,  /* they run on, unless the machine goes down */
    CONFIG_STOP_LEAVE, /* they run on */
    CONFIG_STOP_STOP,  /* they are stopped, edgeAgent first; as the 1.1 daemon did */
};

enum config_scheme {
    CONFIG_SCHEME_UNIX, /* unix:///path */
    CONFIG_SCHEME_FD,   /* fd://name or fd://N: systemd socket activation */
};

struct config_uri {
    enum config_scheme scheme;
    char *text;   /* as written */
    char *path;   /* unix: absolute path */
    char *name;   /* fd: descriptor name, or NULL */
    int fd_index; /* fd: number counted from descriptor 3, or -1 */
};

struct config_provisioning {
    enum config_source source;
    enum config_credential credential;
    bool dynamic_reprovisioning;
    bool always_reprovision_on_startup; /* true unless the source is DPS and says otherwise */
    uint32_t startup_spread_s; /* with a saved identity the first contact with the cloud comes at a
                                  random moment within these seconds after the start */
    char *global_endpoint;     /* DPS: https URL without trailing slash */
    char *scope_id;            /* DPS */
    char *registration_id;     /* DPS; NULL: the default, which a TPM derives from its EK, and X.509
                                  takes from the common name of the certificate; never with a key */
    char *hub_hostname;        /* manual */
    char *device_id;           /* manual */
    struct secret key;         /* CREDENTIAL_KEY: decoded; empty: it was imported before */
    unsigned key_line;         /* line of the file that holds the key, for the advice to delete it;
                                  0: none */
    char *identity_cert;       /* X509: absolute path of the chain, PEM */
    char *identity_pk;         /* X509: absolute path of its private key, PEM */
    char *endpoint;            /* external: "http://host[:port]" or "unix:///path" */
};

/* The edgeAgent that the daemon starts by itself. Its container has the name edgeAgent always. */
struct config_agent {
    char *image;
    bool pull;                 /* imagePullPolicy: on-create */
    struct buf env;            /* JSON object of strings */
    struct buf create_options; /* JSON object: body of the engine's create call */
    struct secret
        auth; /* JSON object: what the registry wants, as the engine takes it; empty: none */
};

struct config_network_range {
    char *subnet, *gateway, *ip_range; /* each may be NULL */
};

struct config_network {
    char *name;
    /* For making it; one that is there is taken as it is. */
    bool ipv6;
    struct config_network_range *ranges;
    size_t range_cnt; /* 0: the engine chooses */
};

struct config_image_gc {
    bool enabled;
    uint32_t age_days;       /* unused for as long; at least 1 */
    uint32_t interval_hours; /* between two rounds; at least 1 */
};

struct edge_config {
    char *file; /* where it came from, for messages */
    struct config_provisioning provisioning;
    char *hostname;
    char *homedir;
    struct config_uri connect_management, connect_workload; /* what modules see */
    struct config_uri listen_management, listen_workload;   /* what the daemon opens */
    struct config_uri engine;                               /* moby_runtime.uri; unix */
    struct config_network network;
    struct config_agent agent;
    bool has_max_retries; /* false: edgeAgent is tried for ever */
    uint32_t max_retries; /* failures in a row that are borne; the next one ends the daemon */
    enum config_on_stop on_stop;
    struct config_image_gc image_gc;
    bool narrow_control;    /* edgeAgent and operators only may start, stop, restart, read logs */
    bool allow_elevated;    /* modules may be privileged and add capabilities */
    char *trusted_ca_certs; /* path of the PEM bundle, or NULL */
    char *device_ca_cert; /* operator's CA chain, PEM; NULL: the daemon makes its own. Never without
                             trusted_ca_certs */
    char *device_ca_pk;   /* its private key, PEM; NULL: it was imported before */
    uint32_t auto_generated_ca_lifetime_days; /* at least 1 */
    enum config_leaf_key leaf_key;
    enum config_hsm hsm_backend;
    uint32_t derived_key_ttl_s; /* 0: derived keys are not cached */
    char *tpm_tcti;
    bool tpm_allow_emulator;
    char *tpm_owner_auth_file;       /* or NULL */
    char *tpm_endorsement_auth_file; /* or NULL */
    enum config_ek_template tpm_ek_template;
    uint32_t tpm_pcrs;         /* bit n: the store is to be bound to PCR n; 0: to none */
    char *cloud_extra_ca_file; /* PEM file trusted besides the system's store for DPS and hub, or
                                  NULL */
    char *https_proxy;         /* proxy URL for DPS and hub, may hold credentials: not for logs.
                                  NULL: the environment says */
    char *no_proxy; /* hosts reached without it, separated by commas; NULL: the environment
                       says */
};

/* True for the environment variables of edgeAgent that the daemon sets itself, in any case of
 * letters, as edgeAgent reads them. Whatever else config.yaml says of them has no effect. */
bool config_is_agent_variable(struct slice name);

/* Name of the form of provisioning, as system information reports it: "manual.x509", "dps.tpm",
 * "external" and so on. */
const char *config_provisioning_mode(const struct config_provisioning *p);

enum config_severity {
    CONFIG_ERROR,
    CONFIG_WARNING,
};

/* One finding. Line and column count from 1; 0 when it is about the whole document or the
 * environment. */
struct config_problem {
    enum config_severity severity;
    unsigned line;
    unsigned column;
    char key[128];  /* dotted path */
    char text[240]; /* reason and mend */
};

/* Findings in document order. Embedded; config_report_clear releases. */
struct config_report {
    struct config_problem *items;
    size_t cnt;
    size_t error_cnt;
    size_t warning_cnt;
    bool nomem; /* memory was short: findings are missing */
};

/* Reads and checks a file. On success *ret is a complete configuration (config_free) and the report
 * may hold warnings; on failure the report holds every error found. The report must be
 * zero-initialised. Errors: NOT_FOUND, DENIED, INVALID (no regular file), IO for the file; CONFIG
 * when the report has errors; NOMEM. Blocks on file input; call before the loop runs. */
enum edge_code config_load(const char *path, struct edge_config **ret, struct config_report *report,
                           struct edge_error *err) EDGE_NODISCARD;

/* The same from memory, without environment; `name` stands for the file in messages. Used by tests
 * and fuzzing. */
enum edge_code config_parse(const char *name, struct slice text, struct edge_config **ret,
                            struct config_report *report, struct edge_error *err) EDGE_NODISCARD;

/* Writes one finding as "FILE:LINE:COL: key: reason" (without line end). */
void config_problem_format(const char *file, const struct config_problem *p, char *out,
                           size_t out_size);

void config_report_clear(struct config_report *report);
void config_free(struct edge_config *cfg); /* NULL allowed */

#endif
