/* SPDX-License-Identifier: MIT */
/*
 * Reads with read(2), not stdio, whose buffers nobody wipes.
 */
#include "cli/key_input.h"

#include "base/attr.h"
#include "base/b64.h"
#include "base/fs.h"
#include "base/mac.h"
#include "config/config.h"
#include "config/config_connection_string.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define PATH_SIZE 4096

static enum edge_code read_file(const char *file, struct buf *out, struct edge_error *err) {
    char folder[PATH_SIZE];
    int dirfd EDGE_CLEANUP(edge_cleanup_fd) = -1;
    const char *slash = strrchr(file, '/');
    const char *name = slash != NULL ? slash + 1 : file;
    struct slice dir = slash == NULL   ? SLICE_LIT(".")
                       : slash == file ? SLICE_LIT("/")
                                       : slice_make(file, (size_t)(slash - file));
    if (!slice_to_array(dir, folder, sizeof(folder))) {
        return edge_set(err, EDGE_RANGE, "the path of the file is too long");
    }
    enum edge_code code = fs_dir_open(folder, false, 0, &dirfd, err);
    if (code == EDGE_OK) {
        code = fs_read_private(dirfd, name, out, err);
        code = code != EDGE_OK && slash != NULL ? edge_wrap(err, code, "reading '%s'", file) : code;
    }
    return code;
}

static enum edge_code read_descriptor(int fd, bool one_line, struct buf *out,
                                      struct edge_error *err) {
    for (;;) {
        uint8_t *room;
        enum edge_code code = buf_reserve(out, 1024, &room, err);
        if (code != EDGE_OK) {
            return code == EDGE_RANGE ? edge_set(err, code, "this is too long for a key") : code;
        }
        ssize_t len = read(fd, room, 1024);
        if (len < 0 && errno == EINTR) {
            continue;
        }
        if (len < 0) {
            return edge_set_errno(err, errno, "cannot read standard input");
        }
        buf_added(out, (size_t)len);
        if (len == 0 || (one_line && slice_find(buf_slice(out), '\n') >= 0)) {
            return EDGE_OK;
        }
    }
}

static const int ending[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};
static struct termios shown; /* as the terminal was, for the handler */

/* The signal's own action is in place again, and follows. */
static void show_and_end(int number) {
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    (void)raise(number);
}

/* Whoever ends the command at the prompt must not be left with a terminal that shows nothing. */
static void handle_ending(struct sigaction before[EDGE_ARRAY_LEN(ending)]) {
    struct sigaction sa = {.sa_flags = (int)SA_RESETHAND};
    sa.sa_handler = show_and_end;
    (void)sigemptyset(&sa.sa_mask);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(ending); i++) {
        (void)sigaction(ending[i], NULL, &before[i]);
        if (before[i].sa_handler == SIG_DFL) {
            (void)sigaction(ending[i], &sa, NULL);
        }
    }
}

static enum edge_code read_terminal(const char *prompt, struct buf *out, struct edge_error *err) {
    struct sigaction before[EDGE_ARRAY_LEN(ending)];
    if (tcgetattr(STDIN_FILENO, &shown) != 0) {
        return edge_set_errno(err, errno, "cannot use the terminal");
    }
    struct termios hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    (void)fprintf(stderr, "%s (not shown): ", prompt);
    handle_ending(before);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    enum edge_code code = read_descriptor(STDIN_FILENO, true, out, err);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(ending); i++) {
        (void)sigaction(ending[i], &before[i], NULL);
    }
    (void)fputs("\n", stderr);
    return code;
}

enum edge_code key_input_read(const char *file, const char *prompt, struct buf *out,
                              struct edge_error *err) {
    if (file != NULL) {
        return read_file(file, out, err);
    }
    if (isatty(STDIN_FILENO) == 1) {
        return read_terminal(prompt, out, err);
    }
    return read_descriptor(STDIN_FILENO, false, out, err);
}

static struct slice trim(struct slice s) {
    static const char blanks[] = " \t\r\n";
    while (s.len > 0 && strchr(blanks, s.ptr[0]) != NULL && s.ptr[0] != '\0') {
        s = slice_make(s.ptr + 1, s.len - 1);
    }
    while (s.len > 0 && strchr(blanks, s.ptr[s.len - 1]) != NULL && s.ptr[s.len - 1] != '\0') {
        s.len--;
    }
    return s;
}

static enum edge_code parse_connection_string(struct slice text, struct key_input *ret,
                                              struct edge_error *err) {
    struct config_connection_string cs = {0};
    enum edge_code code = config_connection_string_parse(text, &cs, err);
    if (code != EDGE_OK) {
        return code == EDGE_CONFIG ? edge_set(err, EDGE_PARSE, "the connection string: %s",
                                              err != NULL ? err->text : "")
                                   : code;
    }
    if (cs.key.len == 0) {
        code = edge_set(err, EDGE_PARSE, "the connection string has no SharedAccessKey to import");
    } else if (!slice_to_array(cs.host, ret->host, sizeof(ret->host)) ||
               !slice_to_array(cs.device, ret->device, sizeof(ret->device))) {
        code = edge_set(err, EDGE_PARSE, "the connection string names a hub or device too long");
    } else {
        ret->key = secret_take(&cs.key);
    }
    config_connection_string_clear(&cs);
    return code;
}

enum edge_code key_input_parse(struct slice text, struct key_input *ret, struct edge_error *err) {
    text = trim(text);
    if (slice_find(text, ';') >= 0 || slice_starts_with(text, "HostName=") ||
        slice_starts_with(text, "DeviceId=") || slice_starts_with(text, "SharedAccessKey=")) {
        return parse_connection_string(text, ret, err);
    }
    if (text.len == 0) {
        return edge_set(err, EDGE_PARSE,
                        "nothing was given: expected a connection string, or a "
                        "key in base64");
    }
    enum edge_code code = b64_decode_secret(text, CONFIG_KEY_MAX, &ret->key, err);
    if (code == EDGE_PARSE || code == EDGE_RANGE || (code == EDGE_OK && ret->key.len == 0)) {
        secret_clear(&ret->key);
        return edge_set(err, EDGE_PARSE,
                        "what was given is neither a connection string nor a key of 1 to %d bytes "
                        "in base64",
                        CONFIG_KEY_MAX);
    }
    return code;
}

void key_input_clear(struct key_input *in) {
    secret_clear(&in->key);
}

enum edge_code key_input_derive(struct secret *key, const char *registration_id,
                                struct edge_error *err) {
    uint8_t mac[SHA256_LEN];
    struct secret derived = {0};
    enum edge_code code =
        hmac_sha256(key->data, key->len, registration_id, strlen(registration_id), mac, err);
    if (code == EDGE_OK) {
        code = secret_copy(&derived, mac, sizeof(mac), err);
    }
    secret_wipe(mac, sizeof(mac));
    if (code == EDGE_OK) {
        secret_clear(key);
        *key = secret_take(&derived);
    }
    return code;
}
