/* SPDX-License-Identifier: MIT */
/*
 * The server is a child with two pipes: it tells its ports on one and ends when the other is
 * closed, be it by fault_server_stop or by the death of the test.
 */
#include "support/fault_server.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void fault_server_exec(const struct fault_server *s, int in, int out) {
    (void)dup2(in, STDIN_FILENO);
    (void)dup2(out, STDOUT_FILENO);
    for (int fd = STDERR_FILENO + 1; fd < 64; fd++) {
        (void)close(fd);
    }
    (void)execl("/usr/bin/python3", "python3", "-W", "ignore", EDGE_FAULT_SERVER, s->folder,
                (char *)NULL);
    _exit(127);
}

static int fault_server_read_ports(struct fault_server *s, FILE *out) {
    char line[64];
    while (fgets(line, sizeof(line), out) != NULL) {
        char *space = strchr(line, ' ');
        if (space == NULL || s->port_cnt == FAULT_SERVER_PORTS_MAX) {
            return -1;
        }
        *space = '\0';
        if (strcmp(line, "ready") == 0) {
            return 0;
        }
        unsigned port = 0;
        for (const char *c = space + 1; *c >= '0' && *c <= '9'; c++) {
            port = port * 10 + (unsigned)(*c - '0');
        }
        (void)snprintf(s->ports[s->port_cnt].name, sizeof(s->ports[0].name), "%.15s", line);
        s->ports[s->port_cnt].port = port;
        s->port_cnt++;
    }
    return -1;
}

int fault_server_start(struct fault_server *s) {
    int to_child[2];
    int from_child[2];
    *s = (struct fault_server){.folder = "/tmp/edge-fault-XXXXXX", .stdin_fd = -1};
    if (mkdtemp(s->folder) == NULL || pipe(to_child) != 0 || pipe(from_child) != 0) {
        perror("fault server");
        return -1;
    }
    (void)snprintf(s->extra_ca, sizeof(s->extra_ca), "%.40s/extra.pem", s->folder);
    (void)snprintf(s->store, sizeof(s->store), "%.40s/store", s->folder);
    (void)snprintf(s->sock, sizeof(s->sock), "%.40s/sock", s->folder);
    s->pid = fork();
    if (s->pid == 0) {
        fault_server_exec(s, to_child[0], from_child[1]);
    }
    (void)close(to_child[0]);
    (void)close(from_child[1]);
    s->stdin_fd = to_child[1];
    FILE *out = fdopen(from_child[0], "r");
    int rc = s->pid > 0 && out != NULL ? fault_server_read_ports(s, out) : -1;
    if (out != NULL) {
        (void)fclose(out);
    }
    if (rc != 0) {
        (void)fprintf(stderr, "fault server: did not start\n");
    }
    return rc;
}

unsigned fault_server_port(const struct fault_server *s, const char *name) {
    for (size_t i = 0; i < s->port_cnt; i++) {
        if (strcmp(s->ports[i].name, name) == 0) {
            return s->ports[i].port;
        }
    }
    (void)fprintf(stderr, "fault server: no port '%s'\n", name);
    abort();
}

static int fault_server_remove(const char *path, const struct stat *st, int kind,
                               struct FTW *where) {
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

void fault_server_stop(struct fault_server *s) {
    if (s->stdin_fd >= 0) {
        (void)close(s->stdin_fd);
        s->stdin_fd = -1;
        (void)waitpid(s->pid, NULL, 0);
        (void)nftw(s->folder, fault_server_remove, 8, FTW_DEPTH | FTW_PHYS);
    }
}
