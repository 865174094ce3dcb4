/* SPDX-License-Identifier: MIT */
/*
 * Reading, completing and writing the saved provisioning result.
 *
 * The key file is the real commit point: it is durable before anything refers to it, and its label
 * says for which hub and device it is. The state file adds which of the keys has been accepted by
 * the hub. Losing it loses no identity.
 */
#include "provisioning/state.h"

#include "base/checked.h"
#include "base/fs.h"
#include "provisioning/note.h"

#include <string.h>

static enum edge_code decode(struct slice text, void *ret, struct edge_error *err) {
    return state_decode(text, ret, err);
}

static bool has_generation(const struct hsm_identity *keys, size_t cnt, uint64_t generation) {
    for (size_t i = 0; i < cnt; i++) {
        if (keys[i].generation == generation) {
            return true;
        }
    }
    return false;
}

/* A certificate's files are looked at when they are used. */
static bool is_there(const struct provisioning_result *r, const struct hsm_identity *keys,
                     size_t cnt) {
    return r->credential == PROVISIONING_CERT || has_generation(keys, cnt, r->key_generation);
}

/* Takes over the identity of a key that is newer than the saved result. Keys with labels that are
 * not ours are left alone. Errors: NOMEM only, for a key that is passed over would be dropped as
 * unused. */
static enum edge_code roll_forward(struct state *s, const struct hsm_identity *key, char *note,
                                   size_t note_size, struct edge_error *err) {
    struct provisioning_result r;
    char inputs[STATE_INPUT_LEN];
    if (key->generation <= s->seen) {
        return EDGE_OK;
    }
    enum edge_code code = state_label_decode(slice_str(key->label), &r, inputs, err);
    if (code != EDGE_OK) {
        return checked_is_damage(code) ? EDGE_OK : code;
    }
    r.key_generation = key->generation;
    state_advance(s, &r);
    memcpy(s->inputs, inputs, sizeof(inputs));
    if (key->adopted) {
        /* The takeover was cut short: it is the key that 1.1 derived module keys from, too. */
        s->legacy_root = key->generation;
    }
    note_add(note, note_size, "completed an interrupted change of identity to hub ", r.hub);
    return EDGE_OK;
}

/* Squares the saved result with the keys that exist. */
static enum edge_code complete(struct state *s, const struct hsm_identity *keys, size_t cnt,
                               char *note, size_t note_size, struct edge_error *err) {
    enum edge_code code = EDGE_OK;
    if (s->has_previous && !is_there(&s->previous, keys, cnt)) {
        s->has_previous = false;
    }
    if (s->has_current && !is_there(&s->current, keys, cnt)) {
        note_add(note, note_size, "the key of the saved identity is gone", "");
        s->has_current = s->has_previous;
        s->current = s->previous;
        s->has_previous = false;
    }
    if (s->legacy_root != 0 && !has_generation(keys, cnt, s->legacy_root)) {
        note_add(note, note_size, "the key that module keys were derived from before is gone", "");
        s->legacy_root = 0;
    }
    for (size_t i = 0; code == EDGE_OK && i < cnt; i++) {
        code = roll_forward(s, &keys[i], note, note_size, err);
    }
    return code;
}

enum edge_code state_load(const char *dir, struct hsm *h, struct state *ret, char *ret_note,
                          size_t note_size, struct edge_error *err) {
    struct hsm_identity keys[HSM_IDENTITY_MAX];
    size_t cnt = 0;
    struct state s = {0};
    int dirfd EDGE_CLEANUP(edge_cleanup_fd) = -1;

    ret_note[0] = '\0';
    enum edge_code code = fs_dir_open(dir, true, 0700, &dirfd, err);
    if (code == EDGE_OK) {
        fs_sweep(dirfd);
        code = note_read(dirfd, STATE_FILE, STATE_SIZE_MAX, decode, &s, ret_note, note_size, err);
    }
    if (code == EDGE_OK) {
        code = hsm_identity_list(h, keys, &cnt, err);
    }
    if (code == EDGE_OK) {
        code = complete(&s, keys, cnt, ret_note, note_size, err);
    }
    if (code == EDGE_OK) {
        *ret = s;
    }
    return code;
}

enum edge_code state_save(const char *dir, const struct state *s, struct edge_error *err) {
    struct buf text;
    buf_init(&text, STATE_SIZE_MAX);
    enum edge_code code = state_encode(s, &text, err);
    if (code == EDGE_OK) {
        code = checked_save(dir, STATE_FILE, buf_slice(&text), err);
    }
    buf_clear(&text);
    return code == EDGE_OK ? EDGE_OK : edge_wrap(err, code, "saving the provisioning state");
}
