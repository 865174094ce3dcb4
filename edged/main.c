/* SPDX-License-Identifier: MIT */
/*
 * Options, configuration, privileges, run.
 */
#include "base/log.h"
#include "base/secret.h"
#include "base/wipe.h"
#include "config/config.h"
#include "daemon.h"
#include "footprint.h"
#include "privilege.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_UNUSABLE_CONFIG 153

struct options {
    const char *config;
    bool check_config;
    bool allow_root;
};

static void usage(FILE *out) {
    (void)fputs(
        "Usage: edged [OPTION]...\n"
        "Security daemon of an IoT Edge device.\n"
        "\n"
        "  -c, --config-file FILE   configuration (default " CONFIG_PATH_DEFAULT ")\n"
        "      --check-config [FILE]\n"
        "                           check the configuration, report every problem, exit\n"
        "      --allow-root         run although the user is root\n"
        "  -h, --help               show this help\n"
        "  -V, --version            show the version\n"
        "\n"
        "Exit codes: 0 stopped or configuration fine, 1 failure, 153 unusable configuration; with\n"
        "watchdog.max_retries: 150 the hub does not know edgeAgent or the device, 151 the hub "
        "cannot\n"
        "be reached, 152 it refuses the device.\n"
        "IOTEDGE_LOG sets the log level: error, warn, info, debug, off.\n",
        out);
}

/* Returns -1 to go on, else the exit code. */
static int parse_options(int argc, char **argv, struct options *ret) {
    static const struct option table[] = {
        {"config-file", required_argument, NULL, 'c'}, {"check-config", no_argument, NULL, 'k'},
        {"allow-root", no_argument, NULL, 'r'},        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},           {NULL, 0, NULL, 0}};
    int c;
    while ((c = getopt_long(argc, argv, "c:hV", table, NULL)) != -1) {
        switch (c) {
        case 'c':
            ret->config = optarg;
            break;
        case 'k':
            ret->check_config = true;
            break;
        case 'r':
            ret->allow_root = true;
            break;
        case 'h':
            usage(stdout);
            return EXIT_SUCCESS;
        case 'V':
            /* The tools of this device class parse this shape, whatever the program is called. */
            (void)puts("iotedged " EDGE_VERSION);
            return EXIT_SUCCESS;
        default:
            (void)fputs("Try 'edged --help'.\n", stderr);
            return EXIT_FAILURE;
        }
    }
    if (ret->check_config && optind == argc - 1) {
        ret->config = argv[optind++];
    }
    if (optind < argc) {
        (void)fprintf(stderr, "edged: unexpected argument '%s'\nTry 'edged --help'.\n",
                      argv[optind]);
        return EXIT_FAILURE;
    }
    return -1;
}

static void print_problems(const char *file, const struct config_report *report) {
    char line[1024];
    for (size_t i = 0; i < report->cnt; i++) {
        config_problem_format(file, &report->items[i], line, sizeof(line));
        (void)fprintf(stderr, "%s%s\n",
                      report->items[i].severity == CONFIG_WARNING ? "warning: " : "error: ", line);
    }
}

static void log_problems(const char *file, const struct config_report *report) {
    char line[1024];
    for (size_t i = 0; i < report->cnt; i++) {
        config_problem_format(file, &report->items[i], line, sizeof(line));
        if (report->items[i].severity == CONFIG_WARNING) {
            log_warn("%s", line);
        } else {
            log_error("%s", line);
        }
    }
}

static int check_config(const char *file, const struct edge_config *cfg,
                        const struct config_report *report, const struct edge_error *err) {
    print_problems(file, report);
    if (cfg != NULL) {
        (void)printf("%s: usable, %zu warning%s\n", file, report->warning_cnt,
                     report->warning_cnt == 1 ? "" : "s");
        return EXIT_SUCCESS;
    }
    (void)fprintf(stderr, "edged: %s\n", edge_error_text(err));
    return EXIT_UNUSABLE_CONFIG;
}

static int run(const struct options *opt, struct edge_config *cfg) {
    struct edge_error err;
    bool locked = false;
    int status = EXIT_SUCCESS;
    footprint_limit();
    enum edge_code code = privilege_harden(opt->allow_root, &err);
    if (code == EDGE_OK) {
        code = secret_heap_init(&locked, &err);
    }
    if (code == EDGE_OK && !locked && !cfg->tpm_allow_emulator) {
        code =
            edge_set(&err, EDGE_DENIED,
                     "the memory for keys cannot be locked against swapping: raise LimitMEMLOCK");
    }
    if (code == EDGE_OK) {
        code = daemon_run(cfg, &status, &err);
    }
    if (code != EDGE_OK) {
        log_error("The daemon could not start up or go on: %s", edge_error_text(&err));
        return code == EDGE_CONFIG ? EXIT_UNUSABLE_CONFIG : EXIT_FAILURE;
    }
    return status;
}

int main(int argc, char **argv) {
    struct options opt = {.config = CONFIG_PATH_DEFAULT};
    struct edge_config *cfg = NULL;
    struct config_report report = {0};
    struct edge_error err = {0};

    bool wipes = wipe_openssl();
    int status = parse_options(argc, argv, &opt);
    if (status >= 0) {
        return status;
    }
    log_init();
    if (!wipes) {
        log_warn("OpenSSL does not wipe the memory that it gives back");
    }
    /* The file may hold a key. */
    enum edge_code code = secret_heap_init(NULL, &err);
    if (code == EDGE_OK) {
        code = config_load(opt.config, &cfg, &report, &err);
    }
    if (opt.check_config) {
        status = check_config(opt.config, cfg, &report, &err);
    } else {
        log_info("Starting edged " EDGE_VERSION " with %s", log_quote_str(opt.config));
        log_problems(opt.config, &report);
        if (code == EDGE_OK) {
            status = run(&opt, cfg);
        } else {
            log_error("The daemon could not start up: could not load settings: %s",
                      edge_error_text(&err));
            status = EXIT_UNUSABLE_CONFIG;
        }
    }
    config_report_clear(&report);
    config_free(cfg);
    return status;
}
