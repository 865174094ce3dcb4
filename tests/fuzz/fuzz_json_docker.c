/* SPDX-License-Identifier: MIT */
/*
 * The Engine's answers as hostile bytes. The first byte chooses the reader; for the event stream
 * the bytes also come in two pieces.
 */
#include "base/clock.h"
#include "base/json.h"
#include "runtime/docker_events.h"
#include "runtime/docker_images_json.h"
#include "runtime/docker_json.h"
#include "runtime/docker_modules_json.h"
#include "runtime/docker_network_json.h"
#include "runtime/docker_pull_json.h"
#include "runtime/docker_version.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds) {
        abort();
    }
}

static void check_container(const struct runtime_container *c) {
    must(strlen(c->id) == RUNTIME_ID_LEN);
    must(runtime_is_name(slice_str(c->id)));
    must(c->name[0] == '\0' || runtime_is_name(slice_str(c->name)));
    must(c->pid >= 0 && (c->running || c->pid == 0));
}

static void read_list(struct slice text) {
    struct runtime_container *list = NULL;
    size_t cnt = 0;
    if (docker_json_list(text, &list, &cnt, NULL) == EDGE_OK) {
        must(cnt <= RUNTIME_CONTAINERS_MAX);
        for (size_t i = 0; i < cnt; i++) {
            check_container(&list[i]);
        }
    }
    free(list);
}

static void check_time(const char *text) {
    int64_t wall_s = 0;
    size_t len = strlen(text);
    must(len <= RUNTIME_TIME_LEN);
    must(len == 0 || (text[len - 1] == 'Z' && clock_parse_rfc3339(slice_str(text), &wall_s)));
}

/* The text is a list and, for each of its modules, the answer to an inspection. */
static void read_modules(struct slice text) {
    struct runtime_module *list = NULL;
    struct cJSON *root = NULL;
    struct slice first = text, rest = {0};
    size_t cnt = 0;

    (void)slice_cut(text, '\n', &first, &rest);
    if (docker_modules_json_list(first, &root, &list, &cnt, NULL) == EDGE_OK) {
        must(cnt <= RUNTIME_CONTAINERS_MAX);
        for (size_t i = 0; i < cnt; i++) {
            must(strlen(list[i].id) == RUNTIME_ID_LEN && runtime_is_name(slice_str(list[i].name)));
            must(json_is_object(list[i].labels));
            if (docker_modules_json_detail(rest, &list[i], NULL) == EDGE_OK) {
                check_time(list[i].started);
                check_time(list[i].finished);
            }
        }
    }
    free(list);
    json_free(root);
}

static void read_module(struct slice text) {
    struct runtime_module m;
    struct cJSON *root = NULL;
    if (docker_modules_json_one(text, &root, &m, NULL) == EDGE_OK) {
        must(strlen(m.id) == RUNTIME_ID_LEN && runtime_is_name(slice_str(m.name)));
        must(json_is_object(m.labels) && (m.env == NULL || json_is_array(m.env)));
        check_time(m.started);
        check_time(m.finished);
    }
    json_free(root);
}

static void read_images(struct slice text) {
    struct runtime_image image;
    struct cJSON *root = NULL, *entries = NULL;
    size_t cnt = 0;
    if (docker_images_json_one(text, &root, &image, NULL) == EDGE_OK) {
        must(image.id[0] != '\0');
        must(image.tags == NULL || json_is_array(image.tags));
        must(image.digests == NULL || json_is_array(image.digests));
        must(docker_json_entries(text, &entries, &cnt, NULL) != EDGE_OK);
    }
    json_free(root);
}

static void check_text(const char *text, size_t size) {
    size_t len = strlen(text);
    must(len < size && slice_is_utf8_text(slice_str(text)));
    for (size_t i = 0; i < len; i++) {
        must((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
    }
}

static void read_pull(struct slice text) {
    struct docker_pull_message m;
    if (docker_pull_message(text, &m, NULL) == EDGE_OK) {
        check_text(m.text, sizeof(m.text));
        enum edge_code code = docker_pull_meaning(m.text, EDGE_REMOTE);
        must(code == EDGE_REMOTE || code == EDGE_DENIED || code == EDGE_NOT_FOUND);
    }
}

static void read_networks(struct slice text) {
    bool found;
    (void)!docker_network_json_find(text, "azure-iot-edge", &found, NULL);
}

static void read_top(struct slice text, const char *title) {
    pid_t *pids = NULL;
    size_t cnt = 0;
    if (docker_json_top(text, title, &pids, &cnt, NULL) == EDGE_OK) {
        must(cnt <= RUNTIME_PIDS_MAX);
        for (size_t i = 0; i < cnt; i++) {
            must(pids[i] > 0);
        }
    }
    free(pids);
}

static void read_version(struct slice text) {
    struct docker_version v;
    char chosen[DOCKER_VERSION_LEN];
    if (docker_json_version(text, &v, NULL) == EDGE_OK &&
        docker_version_choose(&v, chosen, NULL) == EDGE_OK) {
        must(strspn(chosen, "0123456789.") == strlen(chosen));
    }
}

static void read_message(struct slice text) {
    char message[DOCKER_MESSAGE_MAX];
    docker_json_message(text, message);
    struct slice s = slice_str(message);
    must(s.len < sizeof(message));
    must(slice_is_utf8_text(s));
    for (size_t i = 0; i < s.len; i++) {
        must((unsigned char)s.ptr[i] >= 0x20 && s.ptr[i] != 0x7f);
    }
}

struct events {
    unsigned cnt;
    size_t bytes;
};

static enum edge_code on_object(void *data, struct slice object, struct edge_error *err) {
    struct events *seen = data;
    enum runtime_event event;
    char id[RUNTIME_ID_LEN + 1];
    bool known = false;
    seen->cnt++;
    seen->bytes += object.len;
    must(object.len >= 2 && object.ptr[0] == '{' && object.ptr[object.len - 1] == '}');
    enum edge_code code = docker_json_event(object, &known, &event, id, err);
    must(code != EDGE_OK || !known || strlen(id) == RUNTIME_ID_LEN);
    return EDGE_OK;
}

/* Cut anywhere, the same objects come out. */
static void read_events(struct slice text) {
    struct docker_splitter s;
    struct events whole = {0}, cut = {0};
    size_t at = text.len ? (unsigned char)text.ptr[0] % (text.len + 1) : 0;

    docker_splitter_init(&s);
    enum edge_code code = docker_splitter_feed(&s, text, on_object, &whole, NULL);
    docker_splitter_clear(&s);
    enum edge_code cut_code =
        docker_splitter_feed(&s, slice_make(text.ptr, at), on_object, &cut, NULL);
    if (cut_code == EDGE_OK) {
        cut_code = docker_splitter_feed(&s, slice_make(text.ptr + at, text.len - at), on_object,
                                        &cut, NULL);
    }
    docker_splitter_clear(&s);
    must(code == cut_code && whole.cnt == cut.cnt && whole.bytes == cut.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct runtime_container container;
    struct runtime_info info;

    if (size == 0) {
        return 0;
    }
    struct slice text = slice_make(data + 1, size - 1);
    switch (data[0]) {
    case 'l':
        read_list(text);
        break;
    case 'd':
        read_modules(text);
        break;
    case 'c':
        if (docker_json_container(text, &container, NULL) == EDGE_OK) {
            check_container(&container);
        }
        break;
    case 't':
        read_top(text, "PID");
        read_top(text, "HPID");
        break;
    case 'v':
        read_version(text);
        break;
    case 'i':
        (void)!docker_json_info(text, &info, NULL);
        break;
    case 'm':
        read_message(text);
        break;
    case 'e':
        read_events(text);
        break;
    case 'o':
        read_module(text);
        break;
    case 'g':
        read_images(text);
        break;
    case 'p':
        read_pull(text);
        break;
    case 'n':
        read_networks(text);
        break;
    default:
        break;
    }
    return 0;
}
