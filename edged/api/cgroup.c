/* SPDX-License-Identifier: MIT */
/*
 * The grammar of /proc/PID/cgroup (cgroups(7)) and of the names that container engines give to
 * cgroups. Knows nothing of processes or engines.
 */
#include "api/cgroup.h"

#include <string.h>

#define ID_LEN ((size_t)RUNTIME_ID_LEN)

/* What lies above the component being read. */
enum place {
    PLACE_TOP,     /* the root, or only ".." */
    PLACE_SLICES,  /* slices: systemd refuses to delegate them, so only the manager writes there */
    PLACE_DOCKER,  /* "/docker" */
    PLACE_LIBPOD,  /* "/libpod_parent" */
    PLACE_FOREIGN, /* a service, a foreign scope, a user's or a foreign container's directory */
};

enum name_form {
    NAME_OTHER,
    NAME_BARE,   /* <id> */
    NAME_LIBPOD, /* libpod-<id> */
    NAME_SCOPE,  /* docker-<id>.scope, libpod-<id>.scope */
};

struct findings {
    char id[RUNTIME_ID_LEN + 1];
    bool found;
    bool conflict;
    bool doubtful; /* an id where others than root can make names */
    bool malformed;
    bool located; /* some path says more than "/" */
};

static enum name_form name_form(struct slice name, struct slice *ret_id) {
    static const char *const prefixes[] = {"docker-", "libpod-"};

    if (runtime_is_id(name)) {
        *ret_id = name;
        return NAME_BARE;
    }
    for (size_t i = 0; i < EDGE_ARRAY_LEN(prefixes); i++) {
        size_t prefix_len = strlen(prefixes[i]);
        if (!slice_starts_with(name, prefixes[i]) || name.len < prefix_len + ID_LEN) {
            continue;
        }
        struct slice id = slice_make(name.ptr + prefix_len, ID_LEN);
        struct slice rest =
            slice_make(name.ptr + prefix_len + ID_LEN, name.len - prefix_len - ID_LEN);
        if (!runtime_is_id(id)) {
            continue;
        }
        *ret_id = id;
        if (slice_eq_str(rest, ".scope")) {
            return NAME_SCOPE;
        }
        if (rest.len == 0 && slice_starts_with(name, "libpod-")) {
            return NAME_LIBPOD;
        }
    }
    return NAME_OTHER;
}

static bool is_trusted(enum place place, enum name_form form) {
    switch (place) {
    case PLACE_TOP:
        return true;
    case PLACE_SLICES:
        return form == NAME_SCOPE || form == NAME_BARE;
    case PLACE_DOCKER:
        return form == NAME_BARE;
    case PLACE_LIBPOD:
        /* A bare id there is a pod's, not a container's. */
        return form == NAME_LIBPOD;
    case PLACE_FOREIGN:
        break;
    }
    return false;
}

static enum place place_below(enum place place, struct slice name) {
    if ((place == PLACE_TOP || place == PLACE_SLICES) && slice_ends_with(name, ".slice")) {
        return PLACE_SLICES;
    }
    if (place == PLACE_TOP && slice_eq_str(name, "docker")) {
        return PLACE_DOCKER;
    }
    if (place == PLACE_TOP && slice_eq_str(name, "libpod_parent")) {
        return PLACE_LIBPOD;
    }
    return PLACE_FOREIGN;
}

static void note_id(struct findings *f, struct slice id) {
    if (!f->found) {
        memcpy(f->id, id.ptr, ID_LEN);
        f->id[ID_LEN] = '\0';
        f->found = true;
    } else if (!slice_eq_str(id, f->id)) {
        f->conflict = true;
    }
}

/* Reads components from the root downward and stops at the first believable container: all below it
 * was made by the container itself. */
static void read_path(struct findings *f, struct slice path) {
    enum place place = PLACE_TOP;
    bool above = true;
    struct slice rest = slice_make(path.ptr + 1, path.len - 1);

    while (rest.len > 0) {
        struct slice name, id;
        if (!slice_cut(rest, '/', &name, &rest)) {
            name = rest;
            rest.len = 0;
        } else if (rest.len == 0) {
            f->malformed = true;
        }
        if (slice_eq_str(name, "..")) {
            f->malformed = f->malformed || !above;
            continue;
        }
        above = false;
        f->malformed = f->malformed || name.len == 0 || slice_eq_str(name, ".");
        f->located = true;

        enum name_form form = name_form(name, &id);
        if (form != NAME_OTHER && is_trusted(place, form)) {
            note_id(f, id);
            return;
        }
        f->doubtful = f->doubtful || form != NAME_OTHER;
        place = place_below(place, name);
    }
}

/* hierarchy-ID:controller-list:cgroup-path. The kernel refuses newlines in cgroup names, so a line
 * is a line; colons may occur in the path only. */
static void read_line(struct findings *f, struct slice line) {
    struct slice hierarchy, controllers, path;
    uint64_t number;

    if (!slice_cut(line, ':', &hierarchy, &path) || !slice_cut(path, ':', &controllers, &path) ||
        !slice_parse_u64(hierarchy, UINT32_MAX, &number) || !slice_starts_with(path, "/")) {
        f->malformed = true;
        return;
    }
    read_path(f, path);
}

enum cgroup_verdict cgroup_find_container(struct slice text, char ret_id[RUNTIME_ID_LEN + 1]) {
    struct findings f = {0};
    struct slice line;

    if (text.len == 0 || text.len > CGROUP_TEXT_MAX) {
        return CGROUP_UNCLEAR;
    }
    while (text.len > 0) {
        if (!slice_cut(text, '\n', &line, &text)) {
            return CGROUP_UNCLEAR; /* cut short: what is missing may contradict */
        }
        read_line(&f, line);
    }
    if (f.malformed || f.conflict || f.doubtful) {
        return CGROUP_UNCLEAR;
    }
    if (f.found) {
        memcpy(ret_id, f.id, sizeof(f.id));
        return CGROUP_CONTAINER;
    }
    return f.located ? CGROUP_HOST : CGROUP_UNCLEAR;
}
