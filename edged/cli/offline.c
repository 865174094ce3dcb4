/* SPDX-License-Identifier: MIT */
/*
 * A file that is not there is a device that has not got so far; one that cannot be understood is
 * the last error.
 */
#include "cli/offline.h"

#include "base/checked.h"
#include "base/clock.h"
#include "base/fs.h"
#include "cli/direct.h"
#include "hsm/hsm.h"
#include "provisioning/contact.h"
#include "provisioning/hsm_settings.h"
#include "provisioning/report.h"
#include "provisioning/state.h"

#include <stdio.h>
#include <stdlib.h>

/* Only looking at a TPM may take a while, or fail: both are worth telling. */
struct store_view {
    const char *state;
    char text[EDGE_ERROR_TEXT_MAX];
};

static enum edge_code read_state(int dirfd, struct provisioning_status *st,
                                 struct edge_error *err) {
    struct buf text;
    struct state state = {0};
    struct edge_error why = {0};
    buf_init(&text, STATE_SIZE_MAX);
    enum edge_code code = fs_read(dirfd, STATE_FILE, &text, &why);
    if (code == EDGE_OK) {
        code = state_decode(buf_slice(&text), &state, &why);
    }
    buf_clear(&text);
    if (code == EDGE_NOT_FOUND) {
        return EDGE_OK;
    }
    if (checked_is_damage(code)) {
        (void)edge_set(&st->last_error, code, "the saved identity is damaged: %s",
                       edge_error_text(&why));
        return EDGE_OK;
    }
    if (code != EDGE_OK && err != NULL) {
        *err = why;
    }
    if (code == EDGE_OK) {
        st->has_result = state.has_current;
        st->result = state.current;
        st->legacy_root = state.legacy_root;
    }
    return code;
}

static enum edge_code read_contact(int dirfd, struct provisioning_status *st,
                                   struct edge_error *err) {
    struct buf text;
    struct contact contact = {0};
    buf_init(&text, CONTACT_SIZE_MAX);
    enum edge_code code = fs_read(dirfd, CONTACT_FILE, &text, err);
    if (code == EDGE_OK) {
        code = contact_decode(buf_slice(&text), &contact, err);
    }
    buf_clear(&text);
    if (code == EDGE_NOT_FOUND || checked_is_damage(code)) {
        return EDGE_OK;
    }
    if (code == EDGE_OK) {
        st->next_try_wall_s = contact.not_before_wall_s;
        (void)snprintf(st->next_why, sizeof(st->next_why), "%s", contact.why);
        st->last_contact_wall_s = contact.last_wall_s;
        st->last_ok_wall_s = contact.last_ok_wall_s;
        if (contact.last_error[0] != '\0' && st->last_error.text[0] == '\0') {
            (void)edge_set(&st->last_error, EDGE_REMOTE, "%s", contact.last_error);
            st->last_error_wall_s = contact.last_error_wall_s;
        }
    }
    return code;
}

static enum edge_code look_at_store(const struct edge_config *cfg, struct store_view *ret,
                                    struct edge_error *err) {
    struct edge_error why = {0};
    enum hsm_state state = HSM_STATE_UNTRIED;
    const struct hsm_config hc = hsm_settings(cfg, NULL);
    if (cfg->hsm_backend != CONFIG_HSM_TPM) {
        return EDGE_OK;
    }
    struct hsm_tpm_info *info EDGE_CLEANUP(edge_cleanup_free) = calloc(1, sizeof(*info));
    if (info == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    if (hsm_probe(&hc, info, &state, &why) != EDGE_OK) {
        (void)snprintf(ret->text, sizeof(ret->text), "%s", edge_error_text(&why));
    }
    ret->state = hsm_state_name(state);
    return EDGE_OK;
}

static enum edge_code read_files(const struct edge_config *cfg, struct provisioning_status *st,
                                 struct edge_error *err) {
    struct direct paths;
    int dirfd EDGE_CLEANUP(edge_cleanup_fd) = -1;
    enum edge_code code = direct_paths(cfg, &paths, err);
    if (code == EDGE_OK) {
        code = fs_dir_open(paths.state_dir, false, 0, &dirfd, err);
    }
    if (code == EDGE_NOT_FOUND) {
        return EDGE_OK;
    }
    if (code == EDGE_OK) {
        code = read_state(dirfd, st, err);
    }
    if (code == EDGE_OK) {
        code = read_contact(dirfd, st, err);
    }
    if (code == EDGE_DENIED) {
        code = edge_wrap(err, code,
                         "reading the state folder, since the daemon does not run (only root and "
                         "the daemon's user may)");
    }
    return code;
}

enum edge_code offline_report(const struct edge_config *cfg, const char *why, struct buf *out,
                              struct edge_error *err) {
    struct store_view store = {0};
    struct provisioning_status *st EDGE_CLEANUP(edge_cleanup_free) = calloc(1, sizeof(*st));
    if (st == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    enum edge_code code = read_files(cfg, st, err);
    if (code == EDGE_OK) {
        code = look_at_store(cfg, &store, err);
    }
    if (code != EDGE_OK) {
        return code;
    }
    if (cfg->provisioning.registration_id != NULL) {
        (void)snprintf(st->registration_id, sizeof(st->registration_id), "%s",
                       cfg->provisioning.registration_id);
    }
    const struct report report = {
        .running = false,
        .note = why,
        .now_wall_s = clock_wall_s(),
        .config = cfg,
        .status = st,
        .key_store_state = store.state,
        .key_store_text = store.text,
    };
    return report_encode(&report, out, err);
}
