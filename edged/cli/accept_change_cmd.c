/* SPDX-License-Identifier: MIT */
/*
 * `iotedge tpm accept-change`: a TPM that was cleared or replaced becomes the device's TPM.
 */
#include "cli/cli.h"
#include "cli/command.h"
#include "cli/direct.h"
#include "cli/options.h"

#include <stdio.h>

#define QUESTION                                                                                   \
    "The keys that this device had in its former TPM are set aside, and new ones are "             \
    "made."

struct options {
    struct cli cli;
    bool yes;
};

static const char help[] =
    "Usage: iotedge tpm accept-change [OPTION]...\n"
    "After the TPM was cleared or replaced: set the keys of the former TPM aside and start\n"
    "afresh with this one. The device must be enrolled again ('iotedge tpm info' prints\n"
    "how), and module identities get new keys. CA and encryption key are made anew: what modules\n"
    "encrypted is lost, and an imported CA key has to be imported again. The daemon must not run.\n"
    "\n"
    "      --yes                  do not ask for a confirmation\n" CLI_OPTIONS_HELP "\n"
    "For root. Exit codes: 0 done, 1 failure or not confirmed, 2 usage.\n";

static enum edge_code accept_it(const struct options *o, struct hsm *h, bool *ret_changed,
                                struct edge_error *err) {
    enum edge_code code = hsm_start(h, err);
    const enum hsm_state state = hsm_get_state(h);
    *ret_changed = code != EDGE_OK;
    if (code != EDGE_OK && (state == HSM_STATE_CLEARED || state == HSM_STATE_REPLACED)) {
        (void)fprintf(stderr, "%s\n", edge_error_text(err));
        code = cli_confirm(QUESTION, o->yes, err);
    }
    /* Also when nothing has changed: an earlier call may have been cut short. */
    return code == EDGE_OK ? hsm_accept_change(h, err) : code;
}

static enum edge_code tell(const struct options *o, bool changed, struct buf *out,
                           struct edge_error *err) {
    if (o->cli.json) {
        return buf_printf(out, err, "{\"accepted\":%s}\n", changed ? "true" : "false");
    }
    return buf_printf(out, err, "%s\n",
                      changed
                          ? "This TPM is the device's now. Enroll it ('iotedge tpm info'), then "
                            "start the daemon."
                          : "Nothing to accept: this is the TPM that the keys belong to.");
}

static enum edge_code accept_change(const void *options, const struct edge_config *cfg,
                                    struct buf *out, struct edge_error *err) {
    const struct options *o = options;
    struct direct d;
    bool changed = false;
    enum edge_code code = direct_open(cfg, &d, err);
    if (code == EDGE_OK) {
        code = accept_it(o, d.hsm, &changed, err);
    }
    direct_close(&d);
    return code == EDGE_OK ? tell(o, changed, out, err) : code;
}

int command_accept_change(int argc, char **argv) {
    struct options o = {
        .cli = {.command = "iotedge tpm accept-change", .file = CONFIG_PATH_DEFAULT}};
    const struct cli_option own[] = {{.name = "yes", .flag = &o.yes}};
    const struct cli_options options = {.help = help, .own = own, .cnt = EDGE_ARRAY_LEN(own)};
    int status = cli_options_parse(argc, argv, &options, &o.cli);
    return status == CLI_GO_ON ? cli_run(&o.cli, accept_change, &o) : status;
}
