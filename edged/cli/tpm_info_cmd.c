/* SPDX-License-Identifier: MIT */
/*
 * `iotedge tpm info`: looks at the TPM directly. Needs neither daemon nor configuration, so that a
 * device can be enrolled before it is set up.
 */
#include "cli/cli.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/tpm_info.h"

#include "base/json.h"
#include "provisioning/hsm_settings.h"

#include <stdio.h>
#include <stdlib.h>

#define TCTI_DEFAULT "device:/dev/tpmrm0"

struct options {
    struct cli cli; /* file NULL: the default one, if it can be used */
    const char *tcti;
};

static const char help[] =
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
    "Exit codes: 0 shown, 1 the TPM cannot be used (reason and remedy are printed), 2 "
    "usage.\n";

/* A file that was asked for must be usable; the default one only helps when it is. Exit code, or
 * CLI_GO_ON. */
static int load_config(const struct options *opt, struct edge_config **ret) {
    struct config_report report = {0};
    struct edge_error err;
    const char *file = opt->cli.file != NULL ? opt->cli.file : CONFIG_PATH_DEFAULT;
    enum edge_code code = config_load(file, ret, &report, &err);
    if (code != EDGE_OK && opt->cli.file != NULL) {
        char line[1024];
        for (size_t i = 0; i < report.cnt; i++) {
            config_problem_format(file, &report.items[i], line, sizeof(line));
            (void)fprintf(stderr, "%s\n", line);
        }
        (void)fprintf(stderr, "iotedge tpm info: %s\n", edge_error_text(&err));
    }
    config_report_clear(&report);
    return code == EDGE_OK || opt->cli.file == NULL ? CLI_GO_ON : EXIT_FAILURE;
}

static struct hsm_config choose_tpm(const struct options *opt, const struct edge_config *cfg) {
    struct hsm_config hc = {.backend = HSM_BACKEND_TPM, .tcti = TCTI_DEFAULT};
    if (cfg != NULL) {
        hc = hsm_settings(cfg, NULL);
        hc.backend = HSM_BACKEND_TPM; /* whatever holds the keys */
    }
    if (opt->tcti != NULL) {
        hc.tcti = opt->tcti;
        hc.allow_emulator = true; /* typed by the operator, and nothing is entrusted to it */
    }
    return hc;
}

static void fail(const struct options *opt, enum hsm_state state, const struct edge_error *err) {
    struct buf out;
    struct json_writer w;
    (void)fprintf(stderr, "iotedge tpm info: %s\n", edge_error_text(err));
    if (!opt->cli.json) {
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
        (void)cli_print(&opt->cli, &out);
    }
    buf_clear(&out);
}

int command_tpm_info(int argc, char **argv) {
    struct options opt = {.cli = {.command = "iotedge tpm info"}};
    const struct cli_option own[] = {{.name = "tcti", .value = &opt.tcti}};
    const struct cli_options options = {.help = help, .own = own, .cnt = EDGE_ARRAY_LEN(own)};
    struct edge_config *cfg = NULL;
    struct edge_error err = {0};
    enum hsm_state state = HSM_STATE_UNTRIED;
    struct buf out;

    int status = cli_options_parse(argc, argv, &options, &opt.cli);
    if (status == CLI_GO_ON) {
        status = load_config(&opt, &cfg);
    }
    if (status != CLI_GO_ON) {
        return status;
    }
    struct hsm_tpm_info *info = calloc(1, sizeof(*info));
    const struct hsm_config hc = choose_tpm(&opt, cfg);
    buf_init(&out, TPM_INFO_OUT_MAX);
    enum edge_code code = info == NULL ? edge_set(&err, EDGE_NOMEM, "out of memory")
                                       : hsm_probe(&hc, info, &state, &err);
    if (code == EDGE_OK) {
        code = opt.cli.json ? tpm_info_json(info, &out, &err) : tpm_info_text(info, &out, &err);
    }
    if (code == EDGE_OK) {
        status = cli_print(&opt.cli, &out);
    } else {
        fail(&opt, state, &err);
        status = EXIT_FAILURE;
    }
    buf_clear(&out);
    free(info);
    config_free(cfg);
    return status;
}
