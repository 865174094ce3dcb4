/* SPDX-License-Identifier: MIT */
/*
 * Which module has a socket: what lies in the folder at the start, what the engine tells of
 * containers, and what is made and removed through us. Restarts of modules are in remount.c.
 */
#include "module_sockets.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/map.h"
#include "kept_socket.h"
#include "remount.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_MODE 0666
#define FOLDER_MODE 0755
#define SUFFIX      ".sock"
#define FOLDER_LEN  512
#define PATH_LEN    sizeof(((struct sockaddr_un *)NULL)->sun_path)

struct module_socket {
    char path[PATH_LEN];
    struct http_socket_file file;
    bool listed;   /* in the engine's latest list */
    bool expected; /* a container is being made that may not be in a list yet */
};

struct module_sockets {
    struct runtime *rt;
    struct http_server *server;
    char folder[FOLDER_LEN];
    struct map *sockets; /* by name of the module */
    struct remount *remount;
    bool listing;
    bool again; /* what is being listed is out of date */
    bool stopped;
};

static enum edge_code make_path(const struct module_sockets *m, const char *name,
                                char ret[PATH_LEN], struct edge_error *err) {
    int len = snprintf(ret, PATH_LEN, "%s/%s" SUFFIX, m->folder, name);
    if (len < 0 || (size_t)len >= PATH_LEN) {
        return edge_set(err, EDGE_RANGE,
                        "its path would have %d bytes, %zu are possible: a shorter name or homedir "
                        "helps",
                        len, PATH_LEN - 1);
    }
    return EDGE_OK;
}

/* --- One socket --- */

/* Takes kept over. */
static enum edge_code serve(struct module_sockets *m, const char *name, const char *path,
                            const struct kept_socket *kept, struct edge_error *err) {
    /* One process may have all places of its module; who only rests makes room for a newcomer. */
    const struct http_listen_options opt = {.module = name,
                                            .max_conns = MODULE_SOCKETS_CONNS,
                                            .max_conns_per_peer = MODULE_SOCKETS_CONNS + 1,
                                            .max_conns_per_group = MODULE_SOCKETS_CONNS + 1,
                                            .max_refused = MODULE_SOCKETS_REFUSED};
    struct module_socket *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        (void)close(kept->fd);
        return edge_set(err, EDGE_NOMEM, "out of memory for a module's socket");
    }
    memcpy(s->path, path, strlen(path) + 1);
    s->file = kept->file;
    enum edge_code code = map_put(m->sockets, slice_str(name), s, err);
    if (code != EDGE_OK) {
        (void)close(kept->fd);
        free(s);
        return code;
    }
    if (m->stopped) {
        (void)close(kept->fd); /* for the next run to serve */
        return EDGE_OK;
    }
    code = http_server_listen_fd(m->server, kept->fd, &opt, err);
    if (code != EDGE_OK) {
        (void)map_remove(m->sockets, slice_str(name));
    }
    return code;
}

static enum edge_code open_socket(struct module_sockets *m, struct notify_fds *fds,
                                  const char *name, bool *ret_made, struct edge_error *err) {
    char path[PATH_LEN];
    struct kept_socket kept;
    enum edge_code code = make_path(m, name, path, err);
    if (code == EDGE_OK) {
        code = kept_socket_open(fds, path, SOCKET_MODE, &kept, err);
    }
    if (code == EDGE_OK) {
        code = serve(m, name, path, &kept, err);
        if (code != EDGE_OK) {
            kept_socket_remove(path, &kept.file);
        }
    }
    if (code != EDGE_OK) {
        return edge_wrap(err, code, "opening the socket of module '%s'", name);
    }
    *ret_made = kept.made;
    return EDGE_OK;
}

static void close_socket(struct module_sockets *m, const char *name,
                         const struct module_socket *s) {
    http_server_unlisten(m->server, name);
    kept_socket_remove(s->path, &s->file);
}

static struct module_socket *find(const struct module_sockets *m, const char *name) {
    return map_get(m->sockets, slice_str(name));
}

void module_sockets_made(struct module_sockets *m, const char *path, int64_t wall_s) {
    struct edge_error err;
    if (remount_add(m->remount, path, wall_s, &err) != EDGE_OK) {
        log_warn("Modules that use '%s' may have to be restarted: %s", path, edge_error_text(&err));
    }
}

/* Of a module whose container may be there already. */
static bool open_for_existing(struct module_sockets *m, struct notify_fds *fds, const char *name) {
    struct edge_error err;
    bool made = false;
    if (open_socket(m, fds, name, &made, &err) != EDGE_OK) {
        log_warn("A module has no socket of its own: %s", edge_error_text(&err));
        return false;
    }
    if (made) {
        module_sockets_made(m, find(m, name)->path, clock_wall_s());
    }
    return made;
}

/* --- Creations and removals --- */

/* The module before may have changed it, for a user that the next one does not have. */
static void restore_mode(const char *name, const struct module_socket *s) {
    struct edge_error err;
    if (http_socket_restore(s->path, &s->file, SOCKET_MODE, &err) != EDGE_OK) {
        log_warn("Module %s may not be allowed to use its socket: %s", name, edge_error_text(&err));
    }
}

enum edge_code module_sockets_ensure(struct module_sockets *m, const char *name,
                                     struct edge_error *err) {
    struct notify_fds none = {0};
    struct module_socket *s = find(m, name);
    bool made = false;
    if (s != NULL && !http_socket_is_there(s->path, &s->file)) {
        close_socket(m, name, s);
        (void)map_remove(m->sockets, slice_str(name));
        s = NULL;
    }
    if (s == NULL) {
        enum edge_code code = open_socket(m, &none, name, &made, err);
        if (code != EDGE_OK) {
            return code;
        }
        s = find(m, name);
    } else {
        restore_mode(name, s);
    }
    s->expected = true;
    return EDGE_OK;
}

void module_sockets_drop(struct module_sockets *m, const char *name) {
    struct module_socket *s = find(m, name);
    if (s == NULL || strcmp(name, MODULE_SOCKETS_AGENT) == 0) {
        return;
    }
    close_socket(m, name, s);
    (void)map_remove(m->sockets, slice_str(name));
    m->again = m->listing;
}

/* --- What the engine tells --- */

static void look(struct module_sockets *m);

static bool forget_listed(void *data, struct slice key, void *value) {
    struct module_socket *s = value;
    (void)data;
    (void)key;
    s->listed = false;
    return true;
}

static bool is_wanted(void *data, struct slice key, void *value) {
    struct module_sockets *m = data;
    const struct module_socket *s = value;
    char name[RUNTIME_MODULE_MAX + 1];
    if (s->listed || s->expected || slice_eq_str(key, MODULE_SOCKETS_AGENT) ||
        !slice_to_array(key, name, sizeof(name))) {
        return true;
    }
    close_socket(m, name, s);
    return false;
}

/* A container that waits for a module's place will mount the same socket. */
static bool module_of(const struct runtime_container *c, char ret[RUNTIME_MODULE_MAX + 1]) {
    const struct slice name = slice_str(c->name);
    return c->owned &&
           (runtime_of_next_name(c->name, ret) ||
            (runtime_is_module_name(name) && slice_to_array(name, ret, RUNTIME_MODULE_MAX + 1)));
}

static void see(struct module_sockets *m, const char *name) {
    struct notify_fds none = {0};
    if (find(m, name) == NULL) {
        (void)open_for_existing(m, &none, name);
    }
    struct module_socket *s = find(m, name);
    if (s != NULL) {
        s->listed = true;
        s->expected = false;
    }
}

static void settle(struct module_sockets *m, const struct runtime_container *list, size_t cnt) {
    char name[RUNTIME_MODULE_MAX + 1];
    map_each(m->sockets, forget_listed, NULL);
    for (size_t i = 0; i < cnt; i++) {
        if (module_of(&list[i], name)) {
            see(m, name);
        }
    }
    map_each(m->sockets, is_wanted, m);
    remount_run(m->remount, list, cnt);
}

/* An engine that is away says when it is back; one that is there but has no time does not. Too many
 * containers do not become fewer by asking. */
static void cannot_look(struct module_sockets *m, enum edge_code code,
                        const struct edge_error *err) {
    log_warn("Modules without a socket are not known yet: %s", edge_error_text(err));
    if (code != EDGE_NET && code != EDGE_RANGE) {
        remount_ask_again(m->remount);
    }
}

static void on_list(void *data, enum edge_code code, const struct runtime_container *list,
                    size_t cnt, const struct edge_error *err) {
    struct module_sockets *m = data;
    bool again = m->again;
    m->listing = false;
    m->again = false;
    if (m->stopped) {
        return;
    }
    if (again) {
        look(m);
    } else if (code == EDGE_OK) {
        settle(m, list, cnt);
    } else {
        cannot_look(m, code, err);
    }
}

static void look(struct module_sockets *m) {
    struct edge_error err;
    struct op op;
    if (m->stopped) {
        return;
    }
    if (m->listing) {
        m->again = true;
        return;
    }
    enum edge_code code = runtime_list(m->rt, on_list, m, &op, &err);
    m->listing = code == EDGE_OK;
    if (code != EDGE_OK) {
        cannot_look(m, code, &err);
    }
}

static void look_again(void *data) {
    look(data);
}

void module_sockets_on_engine_event(struct module_sockets *m, enum runtime_event event) {
    if (event == RUNTIME_EVENT_CONNECTED) {
        look(m);
    }
}

/* --- Life --- */

/* Of a file in the folder. */
static bool module_of_file(const char *file, char ret[RUNTIME_MODULE_MAX + 1]) {
    struct slice name = slice_str(file);
    if (!slice_ends_with(name, SUFFIX)) {
        return false;
    }
    name.len -= sizeof(SUFFIX) - 1;
    return runtime_is_module_name(name) && slice_to_array(name, ret, RUNTIME_MODULE_MAX + 1);
}

/* Before the folder is looked at: a module that has it mounted may have put into it what it likes,
 * and more than can be read. */
static unsigned open_kept(struct module_sockets *m, struct notify_fds *fds) {
    const size_t len = strlen(m->folder);
    char name[RUNTIME_MODULE_MAX + 1];
    unsigned made = 0;
    for (size_t i = 0; i < fds->cnt; i++) {
        const char *path = kept_socket_path(&fds->items[i]);
        if (path != NULL && slice_starts_with(slice_str(path), m->folder) && path[len] == '/' &&
            module_of_file(path + len + 1, name) && find(m, name) == NULL &&
            access(path, F_OK) == 0) {
            made += open_for_existing(m, fds, name) ? 1 : 0;
        }
    }
    return made;
}

static unsigned open_files(struct module_sockets *m, struct notify_fds *fds,
                           const struct fs_names *names) {
    char name[RUNTIME_MODULE_MAX + 1];
    unsigned made = 0;
    for (size_t i = 0; i < names->cnt; i++) {
        if (module_of_file(names->list[i], name) && find(m, name) == NULL) {
            made += open_for_existing(m, fds, name) ? 1 : 0;
        }
    }
    return made;
}

/* The engine may be away, or start containers at this very moment: whatever there was before is
 * there again before anybody is asked. */
static enum edge_code open_all(struct module_sockets *m, struct notify_fds *fds,
                               struct edge_error *err) {
    struct fs_names names EDGE_CLEANUP(fs_names_clear) = {0};
    int dir EDGE_CLEANUP(edge_cleanup_fd) = -1;
    unsigned made = open_kept(m, fds);
    enum edge_code code = fs_dir_open(m->folder, true, FOLDER_MODE, &dir, err);
    if (code == EDGE_OK) {
        code = fs_list(dir, "", MODULE_SOCKETS_MAX, &names, err);
    }
    if (code == EDGE_RANGE) {
        log_warn("What is in '%s' does not count, there are %s: remove what is not needed",
                 m->folder, edge_error_text(err));
    } else if (code != EDGE_OK) {
        return edge_wrap(err, code, "looking for sockets of modules in '%s'", m->folder);
    }
    made += open_files(m, fds, &names);
    if (find(m, MODULE_SOCKETS_AGENT) == NULL) {
        made += open_for_existing(m, fds, MODULE_SOCKETS_AGENT) ? 1 : 0;
    }
    log_info("Sockets of modules: %zu, of these made anew: %u", map_cnt(m->sockets), made);
    return EDGE_OK;
}

enum edge_code module_sockets_new(const struct module_sockets_deps *deps,
                                  struct module_sockets **ret, struct edge_error *err) {
    struct edge_error reason;
    struct module_sockets *m = calloc(1, sizeof(*m));
    if (m == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for the sockets of modules");
    }
    m->rt = deps->runtime;
    m->server = deps->server;
    int len = snprintf(m->folder, sizeof(m->folder), "%s/" MODULE_SOCKETS_DIR, deps->homedir);
    enum edge_code code =
        len < 0 || (size_t)len >= sizeof(m->folder)
            ? edge_set(err, EDGE_RANGE, "homedir '%s' is too long for sockets", deps->homedir)
            : map_new(MODULE_SOCKETS_MAX, free, &m->sockets, err);
    if (code == EDGE_OK) {
        code = remount_new(deps->loop, deps->runtime, deps->module_ops, look_again, m, &m->remount,
                           err);
    }
    if (code != EDGE_OK) {
        module_sockets_free(m);
        return code;
    }
    if (open_all(m, deps->fds, &reason) != EDGE_OK) {
        log_error("Modules get no sockets of their own: %s", edge_error_text(&reason));
    }
    *ret = m;
    return EDGE_OK;
}

void module_sockets_stop(struct module_sockets *m) {
    if (m != NULL) {
        m->stopped = true;
        remount_stop(m->remount);
    }
}

void module_sockets_free(struct module_sockets *m) {
    if (m != NULL) {
        remount_free(m->remount);
        map_free(m->sockets);
        free(m);
    }
}
