/* SPDX-License-Identifier: MIT */
/*
 * `iotedge reprovision`: has the daemon ask for the device's identity again, or tell what that
 * would change.
 */
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/command.h"
#include "cli/options.h"

struct options {
    struct cli cli;
    bool dry_run;
};

static const char help[] =
    "Usage: iotedge reprovision [OPTION]...\n"
    "Have the daemon ask for the device's identity again. The present identity stays in use\n"
    "until a new one has been accepted by its hub; with the same hub and device nothing else\n"
    "happens. Pauses that the service asked for are kept: 'iotedge status' shows them.\n"
    "\n"
    "      --dry-run              only find out what would change\n" CLI_OPTIONS_HELP "\n"
    "For root and members of the daemon's group. Exit codes: 0 asked or shown, 1 failure,\n"
    "2 usage.\n";

static enum edge_code ask(const void *options, const struct edge_config *cfg, struct buf *out,
                          struct edge_error *err) {
    const struct options *opt = options;
    struct buf json;
    const struct ask_request req = {
        .method = "POST",
        .path = "/edged/reprovision",
        .body = slice_str(opt->dry_run ? "{\"dryRun\":true}" : "{\"dryRun\":false}"),
    };
    buf_init(&json, ASK_ANSWER_MAX);
    enum edge_code code = ask_daemon(cfg, &req, &json, err);
    if (code == EDGE_NOT_FOUND) {
        code = edge_set(err, code,
                        "the daemon does not run, and asks when it starts: 'systemctl start "
                        "iotedge'");
    }
    if (code == EDGE_OK) {
        code = cli_answer(&opt->cli, buf_slice(&json), "text", out, err);
    }
    buf_clear(&json);
    return code;
}

int command_reprovision(int argc, char **argv) {
    struct options opt = {.cli = {.command = "iotedge reprovision", .file = CONFIG_PATH_DEFAULT}};
    const struct cli_option own[] = {{.name = "dry-run", .flag = &opt.dry_run}};
    const struct cli_options options = {.help = help, .own = own, .cnt = EDGE_ARRAY_LEN(own)};
    int status = cli_options_parse(argc, argv, &options, &opt.cli);
    return status == CLI_GO_ON ? cli_run(&opt.cli, ask, &opt) : status;
}
