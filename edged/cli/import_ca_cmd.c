/* SPDX-License-Identifier: MIT */
/*
 * `iotedge tpm import-ca`: the private key of the operator's CA goes into the key store, and its
 * file from the disk.
 */
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/direct.h"
#include "cli/key_input.h"
#include "cli/options.h"
#include "cli/remover.h"

#include "base/fs.h"
#include "base/json.h"
#include "base/x509.h"
#include "provisioning/ca_key.h"
#include "provisioning/key_place.h"

#include <string.h>
#include <unistd.h>

#define ANSWER_MAX 4096

struct options {
    struct cli cli;
    const char *key; /* file, or "-"; NULL: that of the configuration */
    bool delete_file;
};

static const char help[] =
    "Usage: iotedge tpm import-ca [OPTION]...\n"
    "Put the private key of certificates.device_ca_cert into the TPM, where the daemon finds it\n"
    "from then on; device_ca_pk can be left out. What the TPM cannot hold (RSA-4096 in most)\n"
    "is kept encrypted under a key that is sealed by it. The key is tried before this ends.\n"
    "\n"
    "      --key FILE             read this PEM file, or standard input for '-'; default:\n"
    "                             certificates.device_ca_pk\n"
    "      --delete               delete the file when the key has signed from the key store;\n"
    "                             keep a copy elsewhere: nothing gets it out "
    "again\n" CLI_OPTIONS_HELP "\n"
    "For root and members of the daemon's group; root when the daemon does not run. Exit\n"
    "codes: 0 imported, 1 failure, 2 usage.\n";

static bool is_stdin(const char *file) {
    return strcmp(file, "-") == 0;
}

static enum edge_code choose_file(const struct options *o, const struct edge_config *cfg,
                                  const char **ret, struct edge_error *err) {
    if (cfg->device_ca_cert == NULL) {
        return edge_set(err, EDGE_INVALID,
                        "certificates.device_ca_cert and trusted_ca_certs are not both set in %s: "
                        "the daemon makes a CA itself, whose key is in the key store anyway",
                        o->cli.file);
    }
    *ret = o->key != NULL ? o->key : cfg->device_ca_pk;
    if (*ret == NULL) {
        return edge_set(err, EDGE_INVALID,
                        "certificates.device_ca_pk is not set in %s: name the file with --key",
                        o->cli.file);
    }
    if (is_stdin(*ret) && isatty(STDIN_FILENO) == 1) {
        return edge_set(err, EDGE_INVALID,
                        "standard input is a terminal: a PEM file is expected there");
    }
    return EDGE_OK;
}

static enum edge_code read_key(const char *file, struct secret *ret, struct buf *spki,
                               struct edge_error *err) {
    struct buf pem;
    buf_init_sensitive(&pem, X509_PEM_MAX);
    enum edge_code code =
        is_stdin(file) ? key_input_read(NULL, "", &pem, err) : fs_read_path(file, &pem, err);
    code = code != EDGE_OK ? code : x509_key_read(buf_slice(&pem), ret, spki, err);
    buf_clear(&pem);
    return code == EDGE_OK ? code : edge_wrap(err, code, "reading the private key '%.128s'", file);
}

static enum edge_code check_certificate(const char *file, struct slice spki,
                                        struct edge_error *err) {
    struct buf pem;
    buf_init(&pem, X509_PEM_MAX);
    enum edge_code code = fs_read_path(file, &pem, err);
    code = code != EDGE_OK ? code : x509_key_fits(buf_slice(&pem), spki, err);
    buf_clear(&pem);
    return code == EDGE_OK ? code : edge_wrap(err, code, "comparing the key with '%.128s'", file);
}

static enum edge_code gather(const struct edge_config *cfg, const char *file, struct ca_key *ret,
                             struct edge_error *err) {
    struct buf spki;
    buf_init(&spki, X509_SPKI_MAX);
    enum edge_code code = read_key(file, &ret->pkcs8, &spki, err);
    code = code != EDGE_OK ? code : check_certificate(cfg->device_ca_cert, buf_slice(&spki), err);
    code = code != EDGE_OK ? code : x509_key_label(buf_slice(&spki), ret->name, err);
    buf_clear(&spki);
    return code;
}

static enum edge_code by_daemon(const struct edge_config *cfg, const struct ca_key *key,
                                struct buf *answer, struct edge_error *err) {
    struct buf body;
    buf_init_sensitive(&body, CA_KEY_SIZE_MAX);
    enum edge_code code = ca_key_encode(key, &body, err);
    if (code == EDGE_OK) {
        const struct ask_request req = {
            .method = "POST", .path = "/edged/ca-key", .body = buf_slice(&body), .sensitive = true};
        code = ask_daemon(cfg, &req, answer, err);
    }
    buf_clear(&body);
    return code;
}

static enum edge_code directly(const struct edge_config *cfg, const struct ca_key *key,
                               struct buf *answer, struct edge_error *err) {
    struct direct d;
    struct hsm_key imported;
    enum edge_code code = direct_open(cfg, &d, err);
    code = code != EDGE_OK ? code : ca_key_import(d.hsm, key, &imported, err);
    code = code != EDGE_OK ? code : ca_key_answer(&imported, answer, err);
    direct_close(&d);
    return code;
}

static enum edge_code tell_json(const struct cJSON *root, const char *file, bool deleted,
                                struct buf *out, struct edge_error *err) {
    struct json_writer w;
    json_begin(&w, out);
    json_object_open(&w, NULL);
    for (const struct cJSON *m = json_first(root); m != NULL; m = json_next(m)) {
        json_add_str(&w, json_name(m), json_str(m));
    }
    if (is_stdin(file)) {
        json_add_null(&w, "file");
    } else {
        json_add_cstr(&w, "file", file);
    }
    json_add_bool(&w, "deleted", deleted);
    json_object_close(&w);
    enum edge_code code = json_end(&w, err);
    return code == EDGE_OK ? buf_append_byte(out, '\n', err) : code;
}

/* Where the key is now, in a sentence. */
static enum edge_code tell_place(const struct cJSON *root, struct buf *out,
                                 struct edge_error *err) {
    struct slice name, kind, place;
    enum edge_code code = json_get_str(root, "name", &name, err);
    code = code != EDGE_OK ? code : json_get_str(root, "kind", &kind, err);
    code = code != EDGE_OK ? code : json_get_str(root, "place", &place, err);
    if (code != EDGE_OK) {
        return code;
    }
    const char *text = slice_eq_str(place, KEY_PLACE_TPM) ? "is in the TPM and has signed there"
                       : slice_eq_str(place, KEY_PLACE_SEALED)
                           ? "is of a kind that this TPM cannot hold: it is kept encrypted under "
                             "a key that the TPM seals"
                           : "is in the key store (files, no TPM)";
    return buf_printf(out, err, "The CA key (%.*s, %.*s) %s.\n", (int)kind.len, kind.ptr,
                      (int)name.len, name.ptr, text);
}

static enum edge_code tell_text(const struct options *o, const struct cJSON *root, const char *file,
                                bool deleted, struct buf *out, struct edge_error *err) {
    enum edge_code code = tell_place(root, out, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (is_stdin(file)) {
        return buf_printf(out, err, "certificates.device_ca_pk is not needed in %s.\n",
                          o->cli.file);
    }
    return deleted ? buf_printf(out, err,
                                "'%s' was deleted. Delete certificates.device_ca_pk in %s as "
                                "well.\n",
                                file, o->cli.file)
                   : buf_printf(out, err,
                                "Keep a copy elsewhere and delete '%s' from this disk; delete "
                                "certificates.device_ca_pk in %s.\n",
                                file, o->cli.file);
}

static enum edge_code tell(const struct options *o, struct slice answer, const char *file,
                           struct buf *out, struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    enum edge_code code = json_parse(answer, &root, err);
    if (code != EDGE_OK) {
        return code;
    }
    return o->cli.json ? tell_json(root, file, o->delete_file, out, err)
                       : tell_text(o, root, file, o->delete_file, out, err);
}

static enum edge_code import(const struct options *o, const struct edge_config *cfg,
                             const char *file, struct remover *r, struct buf *out,
                             struct edge_error *err) {
    struct ca_key key = {.name = ""};
    struct buf answer;
    buf_init(&answer, ANSWER_MAX);
    enum edge_code code = gather(cfg, file, &key, err);
    if (code == EDGE_OK) {
        code = by_daemon(cfg, &key, &answer, err);
        code = code == EDGE_NOT_FOUND ? directly(cfg, &key, &answer, err) : code;
    }
    ca_key_clear(&key);
    if (code == EDGE_OK) {
        code = remover_finish(r, true, err);
        if (code != EDGE_OK) {
            code = edge_wrap(err, code, "the key was imported; deleting '%.128s'", file);
        }
    }
    code = code == EDGE_OK ? tell(o, buf_slice(&answer), file, out, err) : code;
    buf_clear(&answer);
    return code;
}

static enum edge_code import_ca(const void *options, const struct edge_config *cfg, struct buf *out,
                                struct edge_error *err) {
    const struct options *o = options;
    const char *file = NULL;
    struct remover r = {.order_fd = -1};
    enum edge_code code = choose_file(o, cfg, &file, err);
    if (code == EDGE_OK && o->delete_file) {
        code = remover_start(file, &r, err);
    }
    code = code == EDGE_OK ? import(o, cfg, file, &r, out, err) : code;
    (void)!remover_finish(&r, false, NULL);
    return code;
}

int command_import_ca(int argc, char **argv) {
    struct options o = {.cli = {.command = "iotedge tpm import-ca", .file = CONFIG_PATH_DEFAULT}};
    const struct cli_option own[] = {{.name = "key", .value = &o.key},
                                     {.name = "delete", .flag = &o.delete_file}};
    const struct cli_options options = {
        .help = help,
        .own = own,
        .cnt = EDGE_ARRAY_LEN(own),
        .no_operand = "a key is never taken from the command line, but from --key FILE"};
    int status = cli_options_parse(argc, argv, &options, &o.cli);
    if (status == CLI_GO_ON && o.delete_file && o.key != NULL && is_stdin(o.key)) {
        return cli_misuse(&o.cli, "--delete needs a file, and --key - is standard input");
    }
    return status == CLI_GO_ON ? cli_run(&o.cli, import_ca, &o) : status;
}
