/* SPDX-License-Identifier: MIT */
/*
 * Text for people goes to stderr when it is about a failure, so that scripts may take what is on
 * standard output as it is.
 */
#include "cli/cli.h"

#include "base/json.h"
#include "cli/ask.h"
#include "cli/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int cli_load(const struct cli *c, struct edge_config **ret) {
    struct config_report report = {0};
    struct edge_error err;
    char line[1024];
    enum edge_code code = config_load(c->file, ret, &report, &err);
    if (code != EDGE_OK) {
        for (size_t i = 0; i < report.cnt; i++) {
            if (report.items[i].severity == CONFIG_ERROR) {
                config_problem_format(c->file, &report.items[i], line, sizeof(line));
                (void)fprintf(stderr, "%s\n", line);
            }
        }
    }
    config_report_clear(&report);
    return code == EDGE_OK ? CLI_GO_ON : cli_fail(c, &err);
}

int cli_run(const struct cli *c, cli_work_fn *work, const void *options) {
    struct edge_config *cfg = NULL;
    struct edge_error err;
    struct buf out;
    int status = cli_load(c, &cfg);
    if (status != CLI_GO_ON) {
        return status;
    }
    buf_init_sensitive(&out, ASK_ANSWER_MAX);
    status = work(options, cfg, &out, &err) == EDGE_OK ? cli_print(c, &out) : cli_fail(c, &err);
    buf_clear(&out);
    config_free(cfg);
    return status;
}

enum edge_code cli_answer(const struct cli *c, struct slice json, const char *member,
                          struct buf *out, struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup_sensitive) = NULL;
    struct slice text = json;
    enum edge_code code = EDGE_OK;
    if (!c->json) {
        code = json_parse(json, &root, err);
        code = code == EDGE_OK ? json_get_str(root, member, &text, err) : code;
    }
    if (code == EDGE_OK) {
        code = buf_append_slice(out, text, err);
    }
    return code == EDGE_OK ? buf_append_byte(out, '\n', err) : code;
}

int cli_print(const struct cli *c, const struct buf *out) {
    if ((out->len > 0 && fwrite(out->data, 1, out->len, stdout) != out->len) ||
        fflush(stdout) != 0) {
        (void)fprintf(stderr, "%s: cannot write the output: error %d\n", c->command, errno);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

int cli_fail(const struct cli *c, const struct edge_error *err) {
    struct buf out;
    struct json_writer w;
    (void)fprintf(stderr, "%s: %s\n", c->command, edge_error_text(err));
    if (!c->json) {
        return EXIT_FAILURE;
    }
    buf_init(&out, 4096);
    json_begin(&w, &out);
    json_object_open(&w, NULL);
    json_object_open(&w, "error");
    json_add_cstr(&w, "code", edge_code_name(err->code));
    json_add_cstr(&w, "message", edge_error_text(err));
    json_object_close(&w);
    json_object_close(&w);
    if (json_end(&w, NULL) == EDGE_OK && buf_append_byte(&out, '\n', NULL) == EDGE_OK) {
        (void)cli_print(c, &out);
    }
    buf_clear(&out);
    return EXIT_FAILURE;
}

int cli_misuse(const struct cli *c, const char *fmt, ...) {
    va_list args;
    (void)fprintf(stderr, "%s: ", c->command);
    va_start(args, fmt);
    (void)vfprintf(stderr, fmt, args);
    va_end(args);
    (void)fprintf(stderr, "\nTry '%s --help'.\n", c->command);
    return EXIT_USAGE;
}

enum edge_code cli_confirm(const char *question, bool yes, struct edge_error *err) {
    char answer[16];
    if (yes) {
        return EDGE_OK;
    }
    if (isatty(STDIN_FILENO) == 0) {
        return edge_set(err, EDGE_INVALID,
                        "there is no terminal to ask for a confirmation on: give --yes if you are "
                        "sure");
    }
    (void)fprintf(stderr, "%s Type 'yes' to go on: ", question);
    if (fgets(answer, sizeof(answer), stdin) == NULL || strcmp(answer, "yes\n") != 0) {
        return edge_set(err, EDGE_CANCELED, "not confirmed, nothing was changed");
    }
    return EDGE_OK;
}
