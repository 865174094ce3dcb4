/* SPDX-License-Identifier: MIT */
/*
 * `iotedge tpm info`: looks at the TPM directly. Needs neither daemon nor configuration, so that a
 * device can be enrolled before it is set up.
 */
#include "cli/command.h"
#include "cli/tpm_info.h"

#include "base/json.h"
#include "config/config.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TCTI_DEFAULT "device:/dev/tpmrm0"

struct options {
    const char *config; /* NULL: the default file, if it can be used */
    const char *tcti;
    bool json;
};

static void usage(FILE *out) {
    (void)fputs(
        "Usage: iotedge tpm info [OPTION]...\n"
        "Show the TPM of this machine, its endorsement key in the form the provisioning service\n"
        "takes, the default registration id, and the command that enrolls it. Changes nothing.\n"
        "\n"
        "  -c, --config-file FILE   take the tpm settings from this configuration\n"
        "                           (default " CONFIG_PATH_DEFAULT ", if it can be used)\n"
        "      --tcti STRING        use this TPM connection instead, such as '" TCTI_DEFAULT "'\n"
        "      --json               print one JSON object\n"
        "  -h, --help               show this help\n"
        "\n"
        "Exit codes: 0 shown, 1 the TPM cannot be used (the reason and the mend are printed), 2 "
        "usage.\n",
        out);
}

static int parse(int argc, char **argv, struct options *ret) {
    static const struct option table[] = {{"config-file", required_argument, NULL, 'c'},
                                          {"tcti", required_argument, NULL, 't'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int c;
    while ((c = getopt_long(argc, argv, "c:h", table, NULL)) != -1) {
        switch (c) {
        case 'c':
            ret->config = optarg;
            break;
        case 't':
            ret->tcti = optarg;
            break;
        case 'j':
            ret->json = true;
            break;
        case 'h':
            usage(stdout);
            return EXIT_SUCCESS;
        default:
            (void)fputs("Try 'iotedge tpm info --help'.\n", stderr);
            return EXIT_USAGE;
        }
    }
    if (optind < argc) {
        (void)fprintf(stderr, "iotedge tpm info: unexpected argument '%s'\n", argv[optind]);
        return EXIT_USAGE;
    }
    return -1;
}

/* A file that was asked for must be usable; the default one only helps when it is. */
static int load_config(const struct options *opt, struct edge_config **ret) {
    struct config_report report = {0};
    struct edge_error err;
    const char *file = opt->config != NULL ? opt->config : CONFIG_PATH_DEFAULT;
    enum edge_code code = config_load(file, ret, &report, &err);
    if (code != EDGE_OK && opt->config != NULL) {
        char line[1024];
        for (size_t i = 0; i < report.cnt; i++) {
            config_problem_format(file, &report.items[i], line, sizeof(line));
            (void)fprintf(stderr, "%s\n", line);
        }
        (void)fprintf(stderr, "iotedge tpm info: %s\n", edge_error_text(&err));
    }
    config_report_clear(&report);
    return code == EDGE_OK || opt->config == NULL ? -1 : EXIT_FAILURE;
}

static struct hsm_config hsm_settings(const struct options *opt, const struct edge_config *cfg) {
    struct hsm_config hc = {.backend = HSM_BACKEND_TPM, .tcti = TCTI_DEFAULT};
    if (cfg != NULL) {
        hc.tcti = cfg->tpm_tcti;
        hc.allow_emulator = cfg->tpm_allow_emulator;
        hc.owner_auth_file = cfg->tpm_owner_auth_file;
        hc.endorsement_auth_file = cfg->tpm_endorsement_auth_file;
        hc.ek_template =
            cfg->tpm_ek_template == CONFIG_EK_TCG_L1 ? HSM_EK_TCG_L1 : HSM_EK_LEGACY_UNIQUE0;
    }
    if (opt->tcti != NULL) {
        hc.tcti = opt->tcti;
        hc.allow_emulator = true; /* typed by the operator, and nothing is entrusted to it */
    }
    return hc;
}

static int print(struct buf *out) {
    if (out->len > 0 && fwrite(out->data, 1, out->len, stdout) != out->len) {
        (void)fprintf(stderr, "iotedge tpm info: cannot write the output: error %d\n", errno);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

static void fail(const struct options *opt, enum hsm_state state, const struct edge_error *err) {
    struct buf out;
    struct json_writer w;
    (void)fprintf(stderr, "iotedge tpm info: %s\n", edge_error_text(err));
    if (!opt->json) {
        return;
    }
    buf_init(&out, TPM_INFO_OUT_MAX);
    json_begin(&w, &out);
    json_object_open(&w, NULL);
    json_object_open(&w, "error");
    json_add_cstr(&w, "state", hsm_state_name(state));
    json_add_cstr(&w, "message", edge_error_text(err));
    json_object_close(&w);
    json_object_close(&w);
    if (json_end(&w, NULL) == EDGE_OK && buf_append_byte(&out, '\n', NULL) == EDGE_OK) {
        (void)print(&out);
    }
    buf_clear(&out);
}

int command_tpm_info(int argc, char **argv) {
    struct options opt = {0};
    struct edge_config *cfg = NULL;
    struct edge_error err = {0};
    enum hsm_state state = HSM_STATE_UNTRIED;
    struct buf out;

    int status = parse(argc, argv, &opt);
    if (status < 0) {
        status = load_config(&opt, &cfg);
    }
    if (status >= 0) {
        return status;
    }
    struct hsm_tpm_info *info = calloc(1, sizeof(*info));
    const struct hsm_config hc = hsm_settings(&opt, cfg);
    buf_init(&out, TPM_INFO_OUT_MAX);
    enum edge_code code = info == NULL ? edge_set(&err, EDGE_NOMEM, "out of memory")
                                       : hsm_probe(&hc, info, &state, &err);
    if (code == EDGE_OK) {
        code = opt.json ? tpm_info_json(info, &out, &err) : tpm_info_text(info, &out, &err);
    }
    if (code == EDGE_OK) {
        status = print(&out);
    } else {
        fail(&opt, state, &err);
        status = EXIT_FAILURE;
    }
    buf_clear(&out);
    free(info);
    config_free(cfg);
    return status;
}
