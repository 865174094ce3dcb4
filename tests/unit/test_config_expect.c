/* SPDX-License-Identifier: MIT */
#include "test_config_expect.h"

#include <stdio.h>
#include <string.h>

struct outcome outcome_of_slice(struct slice text) {
    struct outcome o = {0};
    o.code = config_parse("config.yaml", text, &o.cfg, &o.report, &o.err);
    return o;
}

struct outcome outcome_of(const char *text) {
    return outcome_of_slice(slice_str(text));
}

void outcome_clear(struct outcome *o) {
    config_free(o->cfg);
    config_report_clear(&o->report);
}

static void print(const struct outcome *o) {
    for (size_t i = 0; i < o->report.cnt; i++) {
        char line[512];
        config_problem_format("config.yaml", &o->report.items[i], line, sizeof(line));
        print_message("%s\n", line);
    }
}

bool outcome_has(const struct outcome *o, enum config_severity severity, unsigned line,
                 unsigned column, const char *key, const char *part) {
    for (size_t i = 0; i < o->report.cnt; i++) {
        const struct config_problem *p = &o->report.items[i];
        if (p->severity == severity && p->line == line && p->column == column &&
            strcmp(p->key, key) == 0 && strstr(p->text, part) != NULL) {
            return true;
        }
    }
    print_message("no finding %u:%u: %s: ...%s...; there are:\n", line, column, key, part);
    print(o);
    return false;
}

static void check_refused(const struct outcome *o) {
    assert_int_equal(o->code, EDGE_CONFIG);
    assert_null(o->cfg);
    assert_int_equal(o->err.code, EDGE_CONFIG);
}

void expect_error(const char *text, unsigned line, unsigned column, const char *key,
                  const char *part) {
    struct outcome o = outcome_of(text);
    assert_true(outcome_has(&o, CONFIG_ERROR, line, column, key, part));
    check_refused(&o);
    if (o.report.error_cnt != 1) {
        print(&o);
    }
    assert_int_equal(o.report.error_cnt, 1);
    outcome_clear(&o);
}

void expect_error_among(const char *text, unsigned line, unsigned column, const char *key,
                        const char *part) {
    struct outcome o = outcome_of(text);
    assert_true(outcome_has(&o, CONFIG_ERROR, line, column, key, part));
    check_refused(&o);
    outcome_clear(&o);
}

void expect_warning(const char *text, unsigned line, unsigned column, const char *key,
                    const char *part) {
    struct outcome o = outcome_of(text);
    assert_true(outcome_has(&o, CONFIG_WARNING, line, column, key, part));
    if (o.report.cnt != 1) {
        print(&o);
    }
    assert_int_equal(o.report.cnt, 1);
    assert_int_equal(o.report.warning_cnt, 1);
    assert_int_equal(o.code, EDGE_OK);
    assert_non_null(o.cfg);
    outcome_clear(&o);
}

struct edge_config *expect_fine(const char *text) {
    struct outcome o = outcome_of(text);
    if (o.report.cnt != 0) {
        print(&o);
    }
    assert_int_equal(o.report.cnt, 0);
    assert_int_equal(o.code, EDGE_OK);
    assert_non_null(o.cfg);
    struct edge_config *cfg = o.cfg;
    o.cfg = NULL;
    outcome_clear(&o);
    return cfg;
}

void expect_hidden(const char *text, const char *secret) {
    struct outcome o = outcome_of(text);
    assert_int_not_equal(o.report.cnt, 0);
    for (size_t i = 0; i < o.report.cnt; i++) {
        char line[512];
        config_problem_format("config.yaml", &o.report.items[i], line, sizeof(line));
        if (strstr(line, secret) != NULL) {
            fail_msg("the secret occurs in: %s", line);
        }
    }
    assert_null(strstr(o.err.text, secret));
    outcome_clear(&o);
}
