/* SPDX-License-Identifier: MIT */
/*
 * `iotedge tpm reseal`: the sealed store and the state that the machine was started in.
 *
 * A new recovery code is in its file before the store is bound, so that no crash leaves a store
 * whose code nobody has; on a terminal it is shown afterwards, and a store that is bound and open
 * can be bound again.
 */
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/direct.h"
#include "cli/key_input.h"
#include "cli/recovery_code.h"
#include "cli/remover.h"
#include "cli/reseal_options.h"
#include "cli/reseal_text.h"

#include "base/json.h"
#include "provisioning/report_store.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MAX         4096
#define HTTP_SERVER_FAILED 500
#define QUESTION                                                                                   \
    "This gives up what is in the sealed store: the device's CA, imported CA keys and the key "    \
    "that "                                                                                        \
    "modules' encrypted data needs. With the recovery code, --recover loses nothing."

static const char help[] =
    "Usage: iotedge tpm reseal [OPTION]...\n"
    "Bind the sealed store (CA keys, the key of encrypted data, other secrets) to the present\n"
    "values of the PCRs in tpm.pcrs: it then opens only on this machine, started as it was now.\n"
    "A new recovery code is shown once, for firmware changes that nobody planned.\n"
    "\n"
    "      --also PCR=SHA256HEX   bind to this value as well, known before a planned change;\n"
    "                             may be given for several PCRs\n"
    "      --recovery-file FILE   write the recovery code to this new file (mode 0600) instead\n"
    "      --suspend              bind to nothing until the next reseal: before a planned change\n"
    "      --recover              open a locked store with its recovery code and bind it anew;\n"
    "                             --recovery-file FILE (or '-') holds the code, else it is asked\n"
    "      --abandon              give up a locked store whose recovery code is lost\n"
    "      --yes                  do not ask for a confirmation\n"
    "      --show                 show the condition of the store\n" CLI_OPTIONS_HELP "\n"
    "For root and the daemon's own user, --show also for members of its group; root when the\n"
    "daemon does not run. Exit codes: 0 done, 1 failure or not confirmed, 2 usage.\n";

static enum edge_code by_daemon(const struct edge_config *cfg, const struct store_change *change,
                                struct buf *answer, struct edge_error *err) {
    struct buf body;
    struct ask_request req = {.method = "GET", .path = "/edged/seal"};
    enum edge_code code = EDGE_OK;
    buf_init_sensitive(&body, STORE_CHANGE_SIZE_MAX);
    if (change != NULL) {
        code = store_change_encode(change, &body, err);
        req = (struct ask_request){
            .method = "POST", .path = "/edged/seal", .body = buf_slice(&body), .sensitive = true};
    }
    code = code == EDGE_OK ? ask_daemon(cfg, &req, answer, err) : code;
    buf_clear(&body);
    return code;
}

static enum edge_code directly(const struct edge_config *cfg, const struct store_change *change,
                               struct buf *answer, struct edge_error *err) {
    struct direct d;
    struct hsm_store_info info;
    enum edge_code code = direct_open(cfg, &d, err);
    if (code == EDGE_OK) {
        code = change != NULL ? store_change_run(d.hsm, change, &info, err)
                              : hsm_store_get_info(d.hsm, &info, err);
    }
    code = code == EDGE_OK ? store_change_answer(&info, answer, err) : code;
    direct_close(&d);
    return code;
}

/* change NULL: only a look. */
static enum edge_code ask(const struct edge_config *cfg, const struct store_change *change,
                          struct buf *answer, struct edge_error *err) {
    enum edge_code code = by_daemon(cfg, change, answer, err);
    return code == EDGE_NOT_FOUND ? directly(cfg, change, answer, err) : code;
}

static enum edge_code show(const struct reseal_options *o, const struct edge_config *cfg,
                           struct buf *out, struct edge_error *err) {
    struct buf answer;
    buf_init(&answer, ANSWER_MAX);
    enum edge_code code = ask(cfg, NULL, &answer, err);
    if (code == EDGE_OK) {
        code = o->cli.json ? reseal_json(buf_slice(&answer), NULL, out, err)
                           : reseal_text(buf_slice(&answer), NULL, out, err);
    }
    buf_clear(&answer);
    return code;
}

/* The code that opens the store, from whoever has it. */
static enum edge_code read_code(const struct reseal_options *o, struct secret *ret,
                                struct edge_error *err) {
    struct buf text;
    const char *file = o->recovery_file;
    if (file != NULL && strcmp(file, "-") == 0) {
        file = NULL;
    }
    buf_init_sensitive(&text, KEY_INPUT_MAX);
    enum edge_code code = key_input_read(file, "Recovery code", &text, err);
    code = code == EDGE_OK ? recovery_code_parse(buf_slice(&text), ret, err) : code;
    buf_clear(&text);
    return code;
}

/* A new code, safe in its file, or with a terminal to show it on. */
static enum edge_code prepare_code(const struct reseal_options *o, struct secret *ret,
                                   struct remover *r, struct edge_error *err) {
    if (o->recovery_file == NULL && (o->cli.json || isatty(STDOUT_FILENO) != 1)) {
        return edge_set(err, EDGE_INVALID,
                        "the recovery code is shown on a terminal only, so that it ends in no log: "
                        "name a new file with --recovery-file");
    }
    int fd EDGE_CLEANUP(edge_cleanup_fd) = -1;
    enum edge_code code = EDGE_OK;
    if (o->recovery_file != NULL) {
        code = recovery_code_create(o->recovery_file, &fd, err);
        code = code == EDGE_OK ? remover_start(o->recovery_file, r, err) : code;
    }
    code = code == EDGE_OK ? recovery_code_make(ret, err) : code;
    return code == EDGE_OK && fd >= 0 ? recovery_code_save(ret, fd, err) : code;
}

static enum edge_code tell_code(const struct reseal_options *o, const struct secret *code,
                                struct buf *out, struct edge_error *err) {
    if (o->recovery_file != NULL) {
        return buf_printf(out, err,
                          "The recovery code is in '%s': keep it away from this device.\n",
                          o->recovery_file);
    }
    enum edge_code result = buf_append_str(out, "Recovery code: ", err);
    result = result == EDGE_OK ? recovery_code_format(code, out, err) : result;
    return result == EDGE_OK
               ? buf_append_str(out,
                                "\nIt is shown this once: keep it away from this device. After a "
                                "firmware change that nobody planned,\n'iotedge tpm reseal "
                                "--recover' asks for it.\n",
                                err)
               : result;
}

static enum edge_code tell(const struct reseal_options *o, const struct store_change *change,
                           struct slice answer, struct buf *out, struct edge_error *err) {
    if (o->cli.json) {
        return reseal_json(answer, change->action == STORE_BIND ? o->recovery_file : NULL, out,
                           err);
    }
    enum edge_code code = reseal_text(answer, &change->action, out, err);
    return code == EDGE_OK && change->action == STORE_BIND
               ? tell_code(o, &change->recovery, out, err)
               : code;
}

/* Whether the failure came too late, or too far away, to say that nothing was done. */
static bool is_uncertain(enum edge_code code, const struct edge_error *err) {
    switch (code) {
    case EDGE_NET:
    case EDGE_TIMEOUT:
    case EDGE_PROTO:
        return true;
    case EDGE_REMOTE:
        return err->native >= HTTP_SERVER_FAILED;
    default:
        return false;
    }
}

/* A store that is bound may be so to the code that was just made, and nothing else would open it
 * after the next change of the machine. */
static bool may_be_bound(const struct edge_config *cfg, enum edge_code code,
                         const struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct slice state;
    struct buf answer;
    buf_init(&answer, ANSWER_MAX);
    bool known = ask(cfg, NULL, &answer, NULL) == EDGE_OK &&
                 json_parse(buf_slice(&answer), &root, NULL) == EDGE_OK &&
                 json_get_str(root, "state", &state, NULL) == EDGE_OK;
    bool bound = known ? slice_eq_str(state, REPORT_STORE_BOUND) : is_uncertain(code, err);
    buf_clear(&answer);
    return bound;
}

/* Ends what prepare_code began. */
static void settle_code(const struct reseal_options *o, const struct edge_config *cfg,
                        struct remover *r, enum edge_code code, const struct edge_error *err) {
    bool keep = code == EDGE_OK || may_be_bound(cfg, code, err);
    if (remover_finish(r, !keep, NULL) != EDGE_OK) {
        (void)fprintf(stderr, "'%s' holds a recovery code of nothing: delete it\n",
                      o->recovery_file);
    } else if (keep && code != EDGE_OK && o->recovery_file != NULL) {
        (void)fprintf(stderr,
                      "The store may be bound to the code in '%s': keep it until 'iotedge tpm "
                      "reseal' has succeeded\n",
                      o->recovery_file);
    } else if (keep && code != EDGE_OK) {
        (void)fputs("The store may be bound to a code that was not shown: run 'iotedge tpm reseal' "
                    "until it succeeds\n",
                    stderr);
    }
}

static enum edge_code change_it(const struct reseal_options *o, const struct edge_config *cfg,
                                struct store_change *change, struct buf *out,
                                struct edge_error *err) {
    struct remover r = {.order_fd = -1};
    struct buf answer;
    enum edge_code code = EDGE_OK;
    buf_init(&answer, ANSWER_MAX);
    if (change->action == STORE_ABANDON) {
        code = cli_confirm(QUESTION, o->yes, err);
    } else if (change->action == STORE_RECOVER) {
        code = read_code(o, &change->recovery, err);
    } else if (change->action == STORE_BIND) {
        code = prepare_code(o, &change->recovery, &r, err);
    }
    bool asked = code == EDGE_OK;
    code = asked ? ask(cfg, change, &answer, err) : code;
    if (asked && change->action == STORE_BIND) {
        settle_code(o, cfg, &r, code, err);
    }
    (void)!remover_finish(&r, true, NULL);
    code = code == EDGE_OK ? tell(o, change, buf_slice(&answer), out, err) : code;
    buf_clear(&answer);
    return code;
}

static enum edge_code reseal(const void *options, const struct edge_config *cfg, struct buf *out,
                             struct edge_error *err) {
    const struct reseal_options *o = options;
    struct store_change change = {.action = STORE_BIND};
    if (o->show) {
        return show(o, cfg, out, err);
    }
    enum edge_code code = reseal_options_change(o, cfg, &change, err);
    code = code == EDGE_OK ? change_it(o, cfg, &change, out, err) : code;
    store_change_clear(&change);
    return code;
}

int command_reseal(int argc, char **argv) {
    struct reseal_options o = {
        .cli = {.command = "iotedge tpm reseal", .file = CONFIG_PATH_DEFAULT}};
    int status = reseal_options_parse(argc, argv, help, &o);
    return status == CLI_GO_ON ? cli_run(&o.cli, reseal, &o) : status;
}
