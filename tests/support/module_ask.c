/* SPDX-License-Identifier: MIT */
/*
 * The smallest client of the workload socket, statically linked so that it runs in any container:
 *
 *   module_ask SOCKET METHOD TARGET [BODY [TIMES]]
 *
 * Sends TIMES requests over one connection and prints the status and the body of each answer, one
 * line each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char answer[65536];

static void give_up(const char *what) {
    perror(what);
    exit(2);
}

/* Reads one answer with Content-Length. */
static void read_answer(int fd) {
    size_t len = 0;
    for (;;) {
        ssize_t n = read(fd, answer + len, sizeof(answer) - 1 - len);
        if (n <= 0) {
            give_up("read");
        }
        len += (size_t)n;
        answer[len] = '\0';
        const char *body = strstr(answer, "\r\n\r\n");
        const char *field = strcasestr(answer, "\r\ncontent-length:");
        if (body != NULL && field != NULL && field < body) {
            size_t body_len = strtoul(field + 17, NULL, 10);
            if (len >= (size_t)(body + 4 - answer) + body_len) {
                printf("%.3s %s\n", answer + 9, body + 4);
                return;
            }
        }
    }
}

int main(int argc, char **argv) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    static char request[65536];

    if (argc < 4) {
        fprintf(stderr, "usage: module_ask SOCKET METHOD TARGET [BODY [TIMES]]\n");
        return 2;
    }
    const char *body = argc > 4 ? argv[4] : "";
    unsigned long times = argc > 5 ? strtoul(argv[5], NULL, 10) : 1;
    int len = snprintf(request, sizeof(request),
                       "%s %s HTTP/1.1\r\nHost: module\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       argv[2], argv[3], strlen(body), body);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", argv[1]);
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        give_up("connect");
    }
    while (times-- > 0) {
        if (write(fd, request, (size_t)len) != len) {
            give_up("write");
        }
        read_answer(fd);
    }
    return 0;
}
