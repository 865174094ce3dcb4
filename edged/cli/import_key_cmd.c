/* SPDX-License-Identifier: MIT */
/*
 * `iotedge tpm import-key`: a key goes into the key store and need not stand in any file.
 */
#include "cli/command.h"
#include "cli/direct.h"
#include "cli/key_ask.h"
#include "cli/key_input.h"
#include "cli/key_options.h"
#include "cli/options.h"

#include "base/clock.h"
#include "base/json.h"
#include "provisioning/imported.h"

static const char help[] =
    "Usage: iotedge tpm import-key [OPTION]...\n"
    "Take a connection string, or a key in base64, from standard input or a file, put the key\n"
    "into the TPM, and print the lines of config.yaml that use it without holding it.\n"
    "\n"
    "      --file FILE            read this file, which must be private (mode 0600)\n"
    "      --hub HOST, --device ID\n"
    "                             whose key it is, for a bare key of a hub\n"
    "      --scope SCOPE, --registration-id ID\n"
    "                             whose key it is, for a key of an enrollment\n"
    "      --derive-from-group    the key is that of an enrollment group: derive the one of\n"
    "                             this registration id, and keep only that\n" CLI_OPTIONS_HELP "\n"
    "Without any of these options the configuration says whose key it is. A key is never\n"
    "taken from the command line. For root and members of the daemon's group; root when the\n"
    "daemon does not run. Exit codes: 0 imported, 1 failure, 2 usage.\n";

/* Whose key it is; a connection string says it itself. */
static enum edge_code choose(const struct key_options *o, const struct key_input *in,
                             const struct edge_config *cfg, struct key_target *ret,
                             struct edge_error *err) {
    struct key_target_options options = o->target;
    if (in->host[0] != '\0') {
        if (o->derive || o->target.hub != NULL || o->target.device != NULL ||
            o->target.scope != NULL || o->target.registration_id != NULL) {
            return edge_set(err, EDGE_INVALID,
                            "a connection string says itself whose key it is: leave out --hub, "
                            "--device, --scope, --registration-id and --derive-from-group");
        }
        options = (struct key_target_options){.hub = in->host, .device = in->device};
    }
    enum edge_code code = key_target_choose(&options, cfg, ret, err);
    if (code == EDGE_OK && o->derive && !ret->is_dps) {
        return edge_set(err, EDGE_INVALID,
                        "only enrollments have group keys: give --scope and --registration-id");
    }
    return code;
}

static enum edge_code directly(const struct edge_config *cfg, const struct key_target *t,
                               const struct secret *key, struct edge_error *err) {
    struct direct d;
    uint64_t generation;
    enum edge_code code = direct_open(cfg, &d, err);
    if (code == EDGE_OK) {
        code = imported_add(d.hsm, t->text, key, clock_wall_s(), &generation, err);
    }
    direct_close(&d);
    return code;
}

static enum edge_code tell(const struct key_options *o, const struct edge_config *cfg,
                           const struct key_target *t, struct buf *out, struct edge_error *err) {
    struct json_writer w;
    struct buf lines;
    buf_init(&lines, 4096);
    enum edge_code code = key_target_lines(t, cfg, &lines, err);
    const char *text = code == EDGE_OK ? buf_cstr(&lines) : NULL;
    if (code == EDGE_OK && text == NULL) {
        code = edge_set(err, EDGE_NOMEM, "out of memory");
    }
    if (code == EDGE_OK && o->cli.json) {
        json_begin(&w, out);
        json_object_open(&w, NULL);
        json_add_cstr(&w, "target", t->text);
        json_add_bool(&w, "tpm", cfg->hsm_backend == CONFIG_HSM_TPM);
        json_add_cstr(&w, "config", text);
        json_object_close(&w);
        code = json_end(&w, err);
        code = code == EDGE_OK ? buf_append_byte(out, '\n', err) : code;
    } else if (code == EDGE_OK) {
        code = buf_printf(out, err, "# The key is in the %s. In %s:\n%s",
                          cfg->hsm_backend == CONFIG_HSM_TPM ? "TPM" : "key store (files, no TPM)",
                          o->cli.file, text);
    }
    buf_clear(&lines);
    return code;
}

static enum edge_code import(const void *options, const struct edge_config *cfg, struct buf *out,
                             struct edge_error *err) {
    const struct key_options *o = options;
    struct key_input in = {0};
    struct key_target target;
    struct buf text;
    buf_init_sensitive(&text, KEY_INPUT_MAX);
    enum edge_code code = key_input_read(o->input, "Connection string or key", &text, err);
    if (code == EDGE_OK) {
        code = key_input_parse(buf_slice(&text), &in, err);
    }
    buf_clear(&text);
    if (code == EDGE_OK) {
        code = choose(o, &in, cfg, &target, err);
    }
    if (code == EDGE_OK && o->derive) {
        code = key_input_derive(&in.key, target.second, err);
    }
    if (code == EDGE_OK) {
        code = key_ask(cfg, &target, &in.key, err);
        code = code == EDGE_NOT_FOUND ? directly(cfg, &target, &in.key, err) : code;
    }
    key_input_clear(&in);
    return code == EDGE_OK ? tell(o, cfg, &target, out, err) : code;
}

int command_import_key(int argc, char **argv) {
    struct key_options o = {
        .cli = {.command = "iotedge tpm import-key", .file = CONFIG_PATH_DEFAULT}};
    int status = key_options_parse(argc, argv, true, help, &o);
    return status == CLI_GO_ON ? cli_run(&o.cli, import, &o) : status;
}
