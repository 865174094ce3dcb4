/* SPDX-License-Identifier: MIT */
/*
 * Runs tests/support/fault_server.py for a test program.
 */
#ifndef SUPPORT_FAULT_SERVER_H
#define SUPPORT_FAULT_SERVER_H

#include <stddef.h>
#include <sys/types.h>

#define FAULT_SERVER_PORTS_MAX 16
#define FAULT_SERVER_PATH_MAX  64

struct fault_server {
    pid_t pid;
    int stdin_fd; /* the server ends when this is closed */
    char folder[FAULT_SERVER_PATH_MAX];
    char extra_ca[FAULT_SERVER_PATH_MAX];
    char store[FAULT_SERVER_PATH_MAX]; /* hashed directory with the other authority */
    char sock[FAULT_SERVER_PATH_MAX];
    struct {
        char name[16];
        unsigned port;
    } ports[FAULT_SERVER_PORTS_MAX];
    size_t port_cnt;
};

/* Starts the server and waits until it listens; 0, or -1 after telling why on stderr. */
int fault_server_start(struct fault_server *s);

/* Port of a kind of server; fails the program when there is none of that name. */
unsigned fault_server_port(const struct fault_server *s, const char *name);

/* Ends the server and removes its files. */
void fault_server_stop(struct fault_server *s);

#endif
