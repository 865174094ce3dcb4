/* SPDX-License-Identifier: MIT */
/*
 * `iotedge status`: from the daemon, or from its files when it does not run.
 */
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/command.h"
#include "cli/offline.h"
#include "cli/options.h"
#include "cli/status_text.h"

#define NOT_RUNNING "this is what its files say"

static const char help[] =
    "Usage: iotedge status [OPTION]...\n"
    "Show the device's identity and how it was obtained, the next contact with the cloud and\n"
    "why, the last error, the condition of key store, clock and sealed store, and how long the\n"
    "CA certificates are good. When the daemon does not run, its files are read instead, and the\n"
    "first line says so; certificates and sealed store are then left out.\n"
    "\n" CLI_OPTIONS_HELP "\n"
    "For root and members of the daemon's group. Exit codes: 0 shown, 1 failure, 2 usage.\n";

static enum edge_code gather(const void *options, const struct edge_config *cfg, struct buf *out,
                             struct edge_error *err) {
    const struct cli *c = options;
    struct buf json;
    const struct ask_request req = {.method = "GET", .path = "/edged/status"};
    buf_init(&json, ASK_ANSWER_MAX);
    enum edge_code code = ask_daemon(cfg, &req, &json, err);
    if (code == EDGE_NOT_FOUND) {
        code = offline_report(cfg, NOT_RUNNING, &json, err);
    }
    if (code == EDGE_OK && c->json) {
        code = buf_append_slice(out, buf_slice(&json), err);
        code = code == EDGE_OK ? buf_append_byte(out, '\n', err) : code;
    } else if (code == EDGE_OK) {
        code = status_text(buf_slice(&json), out, err);
    }
    buf_clear(&json);
    return code;
}

int command_status(int argc, char **argv) {
    struct cli c = {.command = "iotedge status", .file = CONFIG_PATH_DEFAULT};
    const struct cli_options options = {.help = help};
    int status = cli_options_parse(argc, argv, &options, &c);
    return status == CLI_GO_ON ? cli_run(&c, gather, &c) : status;
}
