/* SPDX-License-Identifier: MIT */
/*
 * A direct-mapped table: a collision costs a look into /proc, nothing else.
 */
#include "api/authz_peers.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* linux/magic.h of Linux 6.9; older headers lack it. */
#define PIDFS_MAGIC 0x50494446

/* Before pidfs all pidfds share one inode. Which kind the kernel has does not change while it runs.
 */
static bool has_pidfs(int pidfd) {
    static enum {
        UNKNOWN,
        YES,
        NO
    } answer;
    struct statfs fs;
    if (answer == UNKNOWN) {
        answer = fstatfs(pidfd, &fs) == 0 && fs.f_type == PIDFS_MAGIC ? YES : NO;
    }
    return answer == YES;
}

uint64_t authz_peer_key(const struct http_peer *peer) {
    struct stat st;
    /* A 32 bit inode number may come round again. */
    if (sizeof(ino_t) != 8 || peer->pidfd < 0 || !has_pidfs(peer->pidfd) ||
        fstat(peer->pidfd, &st) != 0) {
        return 0;
    }
    return st.st_ino;
}

bool authz_peers_get(const struct authz_peers *p, uint64_t key, uint64_t now_ms,
                     char ret_id[RUNTIME_ID_LEN + 1]) {
    size_t i = key % AUTHZ_PEERS_MAX;
    if (key == 0 || p->slots[i].key != key || p->slots[i].until_ms <= now_ms) {
        return false;
    }
    memcpy(ret_id, p->slots[i].id, sizeof(p->slots[i].id));
    return true;
}

void authz_peers_put(struct authz_peers *p, uint64_t key, uint64_t now_ms, const char *id) {
    size_t i = key % AUTHZ_PEERS_MAX;
    if (key == 0 || !slice_to_array(slice_str(id), p->slots[i].id, sizeof(p->slots[i].id))) {
        return;
    }
    p->slots[i].key = key;
    p->slots[i].until_ms = now_ms + AUTHZ_PEERS_MS;
}
