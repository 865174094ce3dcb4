/* SPDX-License-Identifier: MIT */
/*
 * `iotedge tpm remove-key`: forgets an imported key for good.
 */
#include "cli/command.h"
#include "cli/direct.h"
#include "cli/key_ask.h"
#include "cli/key_options.h"
#include "cli/options.h"

#include "base/json.h"
#include "provisioning/imported.h"

#include <stdio.h>

static const char help[] =
    "Usage: iotedge tpm remove-key [OPTION]...\n"
    "Remove a key that was imported, for good. A device that uses it loses its identity.\n"
    "\n"
    "      --hub HOST, --device ID\n"
    "      --scope SCOPE, --registration-id ID\n"
    "                             whose key; default: the one that the configuration uses\n"
    "      --yes                  do not ask for a confirmation\n" CLI_OPTIONS_HELP "\n"
    "For root and members of the daemon's group; root when the daemon does not run. Exit\n"
    "codes: 0 removed, 1 failure or not confirmed, 2 usage.\n";

static enum edge_code directly(const struct edge_config *cfg, const struct key_target *t,
                               struct edge_error *err) {
    struct direct d;
    unsigned cnt;
    enum edge_code code = direct_open(cfg, &d, err);
    if (code == EDGE_OK) {
        code = imported_remove(d.hsm, t->text, &cnt, err);
    }
    direct_close(&d);
    return code;
}

static enum edge_code remove_key(const void *options, const struct edge_config *cfg,
                                 struct buf *out, struct edge_error *err) {
    const struct key_options *o = options;
    struct key_target target;
    struct json_writer w;
    char question[2 * KEY_LABEL_TARGET_MAX];
    enum edge_code code = key_target_choose(&o->target, cfg, &target, err);
    if (code != EDGE_OK) {
        return code;
    }
    (void)snprintf(question, sizeof(question),
                   "This removes the key for '%s' for good; a device that uses it loses its "
                   "identity.",
                   target.text);
    code = cli_confirm(question, o->yes, err);
    if (code == EDGE_OK) {
        code = key_ask(cfg, &target, NULL, err);
        code = code == EDGE_NOT_FOUND ? directly(cfg, &target, err) : code;
    }
    if (code != EDGE_OK) {
        return code;
    }
    if (!o->cli.json) {
        return buf_printf(out, err, "The key for '%s' was removed.\n", target.text);
    }
    json_begin(&w, out);
    json_object_open(&w, NULL);
    json_add_cstr(&w, "removed", target.text);
    json_object_close(&w);
    code = json_end(&w, err);
    return code == EDGE_OK ? buf_append_byte(out, '\n', err) : code;
}

int command_remove_key(int argc, char **argv) {
    struct key_options o = {
        .cli = {.command = "iotedge tpm remove-key", .file = CONFIG_PATH_DEFAULT}};
    int status = key_options_parse(argc, argv, false, help, &o);
    return status == CLI_GO_ON ? cli_run(&o.cli, remove_key, &o) : status;
}
