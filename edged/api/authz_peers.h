/* SPDX-License-Identifier: MIT */
/*
 * Remembers which container a process was found in, so that a client that connects anew for each
 * request costs one system call instead of a walk through /proc. A process cannot leave its
 * container; the memory is short all the same. Loop thread.
 */
#ifndef API_AUTHZ_PEERS_H
#define API_AUTHZ_PEERS_H

#include "http/http_server.h"
#include "runtime/runtime.h"

#include <stdbool.h>
#include <stdint.h>

#define AUTHZ_PEERS_MAX 512   /* processes remembered */
#define AUTHZ_PEERS_MS  30000 /* for how long */

/* What makes a process unique while this machine is up: the inode of its pidfd (pidfs, Linux 6.9).
 * 0: this kernel has none, and the peer is not remembered. One system call at most. */
uint64_t authz_peer_key(const struct http_peer *peer);

struct authz_peers {
    struct {
        uint64_t key;
        uint64_t until_ms;
        char id[RUNTIME_ID_LEN + 1];
    } slots[AUTHZ_PEERS_MAX];
};

/* Copies the container id; false when it is not known, or not any more. */
bool authz_peers_get(const struct authz_peers *p, uint64_t key, uint64_t now_ms,
                     char ret_id[RUNTIME_ID_LEN + 1]);

/* Remembers it in the place of another one if need be. */
void authz_peers_put(struct authz_peers *p, uint64_t key, uint64_t now_ms, const char *id);

#endif
