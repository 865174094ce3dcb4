/* SPDX-License-Identifier: MIT */
/*
 * Runs the conformance table against a server process, each case whole, in two parts and byte by
 * byte, then the things that only a real client does. Usage: http_conformance HTTP_TESTD [NAME]
 */
#include "http_answers.h"
#include "http_cases.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER_MAX (4 * 1024 * 1024)
#define WAIT_MS    5000
#define BYTEWISE   20000 /* larger cases are not sent byte by byte */
#define V          "?api-version=2018-06-28"
#define CONTROL    "GET /hello" V " HTTP/1.1\r\nConnection: close\r\n\r\n"

static const char *testd_path;
static char folder[] = "/tmp/http_conformance.XXXXXX";
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static char answer[ANSWER_MAX];
static unsigned passed, failed;

static void check(bool good, const char *what, const char *detail) {
    if (good) {
        passed++;
    } else {
        failed++;
        printf("FAILED %s: %s\n", what, detail);
    }
}

static void die(const char *what) {
    perror(what);
    exit(2);
}

/* Starts the server with these options (NULL-terminated) and waits until it listens. */
static pid_t server_start(const char *const *options, int *ret_out) {
    char *argv[16] = {(char *)(uintptr_t)testd_path, address.sun_path};
    char line[16] = "";
    int out[2];
    for (size_t i = 0; options[i] != NULL; i++) {
        argv[i + 2] = (char *)(uintptr_t)options[i];
    }
    if (pipe(out) != 0) {
        die("pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(out[1], 1);
        (void)close(out[0]);
        (void)close(out[1]);
        (void)execv(testd_path, argv);
        _exit(127);
    }
    (void)close(out[1]);
    if (read(out[0], line, 6) != 6 || memcmp(line, "ready\n", 6) != 0) {
        die("the server did not start");
    }
    *ret_out = out[0];
    return pid;
}

/* Stops it; its last words go to the text. False when it did not end well. */
static bool server_stop(pid_t pid, int out, char *text, size_t size) {
    int status = 0;
    size_t len = 0;
    ssize_t n;
    (void)kill(pid, SIGTERM);
    while (len + 1 < size && (n = read(out, text + len, size - 1 - len)) > 0) {
        len += (size_t)n;
    }
    text[len] = '\0';
    (void)close(out);
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int dial(void) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        die("connect");
    }
    return fd;
}

struct talk {
    const char *bytes;
    size_t len;
    size_t sent;
    size_t got;
    bool eof, reset, broken, late;
};

/* Sends [sent, end) in steps, taking in what comes meanwhile. */
static void talk_send(struct talk *t, int fd, size_t end, size_t step) {
    while (t->sent < end && !t->broken) {
        struct pollfd p = {.fd = fd, .events = POLLOUT | (t->eof ? 0 : POLLIN)};
        if (poll(&p, 1, WAIT_MS) <= 0) {
            t->late = true;
            return;
        }
        if (p.revents & POLLIN) {
            ssize_t n = recv(fd, answer + t->got, ANSWER_MAX - t->got, MSG_DONTWAIT);
            t->got += n > 0 ? (size_t)n : 0;
            t->eof = n == 0 || (n < 0 && errno == ECONNRESET);
        }
        if (p.revents & (POLLOUT | POLLERR)) {
            size_t len = step < end - t->sent ? step : end - t->sent;
            ssize_t n = send(fd, t->bytes + t->sent, len, MSG_NOSIGNAL | MSG_DONTWAIT);
            t->sent += n > 0 ? (size_t)n : 0;
            t->broken = n < 0 && errno != EAGAIN;
        }
    }
}

static void talk_receive(struct talk *t, int fd) {
    while (!t->eof && t->got < ANSWER_MAX) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, WAIT_MS) <= 0) {
            t->late = true;
            return;
        }
        ssize_t n = recv(fd, answer + t->got, ANSWER_MAX - t->got, 0);
        t->got += n > 0 ? (size_t)n : 0;
        t->reset = n < 0;
        t->eof = n <= 0;
    }
}

static void run_case(const struct http_case *c, size_t first, size_t step) {
    struct http_answers answers;
    struct talk t = {0};
    char want[300], got[300], detail[1024];
    char *bytes = http_case_bytes(c, &t.len);
    bool head_only = t.len > 5 && memcmp(bytes, "HEAD ", 5) == 0;
    bool control = !c->closes && !head_only && !c->half_close;
    t.bytes = bytes;
    int fd = dial();
    talk_send(&t, fd, first < t.len ? first : t.len, SIZE_MAX);
    talk_send(&t, fd, t.len, step);
    if (control) {
        t.bytes = CONTROL;
        t.sent = 0;
        talk_send(&t, fd, strlen(CONTROL), SIZE_MAX);
    } else if (!c->closes || c->half_close) {
        (void)shutdown(fd, SHUT_WR);
    }
    talk_receive(&t, fd);
    (void)close(fd);
    http_answers_read(answer, t.got, true, head_only, &answers);
    http_answers_text(&answers, got, sizeof(got));
    (void)snprintf(want, sizeof(want), "%s%s", c->statuses, control ? " 200" : "");
    bool good =
        strcmp(want, got) == 0 && answers.problem == NULL && answers.whole && !t.late &&
        (!t.reset || t.broken) &&
        (c->contains == NULL || memmem(answer, t.got, c->contains, strlen(c->contains)) != NULL);
    (void)snprintf(detail, sizeof(detail), "got '%s', expected '%s'%s%s%s%s", got, want,
                   t.late ? ", timeout" : "", t.reset ? ", reset" : "",
                   answers.problem != NULL ? ", " : "",
                   answers.problem != NULL ? answers.problem : "");
    check(good, c->name, detail);
    free(bytes);
}

static void run_table(const char *only) {
    static const char *const options[] = {"max-conns=400", "max-peer=400", NULL};
    char text[512];
    int out;
    pid_t pid = server_start(options, &out);
    for (size_t i = 0; i < http_case_cnt; i++) {
        const struct http_case *c = &http_cases[i];
        size_t len = c->head_len + c->fill + c->tail_len;
        if (only != NULL && strstr(c->name, only) == NULL) {
            continue;
        }
        run_case(c, 0, SIZE_MAX);
        run_case(c, len / 2, SIZE_MAX);
        if (len <= BYTEWISE) {
            run_case(c, 0, 1);
        }
    }
    check(server_stop(pid, out, text, sizeof(text)), "the server ends well", text);
    check(strstr(text, "\"open\":0") != NULL, "no connection is left", text);
}

/* Random bytes and mutilated requests: whatever happens, it goes on. */
static void run_garbage(void) {
    static const char *const options[] = {"max-conns=400", "max-peer=400", "linger-ms=50", NULL};
    char text[512];
    int out;
    uint64_t seed = 88172645463325252u;
    pid_t pid = server_start(options, &out);
    for (size_t round = 0; round < 2000; round++) {
        const struct http_case *c = &http_cases[round % http_case_cnt];
        struct talk t = {0};
        char *bytes = http_case_bytes(c, &t.len);
        t.len = t.len < BYTEWISE ? t.len : BYTEWISE;
        for (size_t i = 0; i < 3 && t.len > 0; i++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            bytes[(seed >> 20) % t.len] = (char)(seed >> 8);
        }
        t.bytes = bytes;
        int fd = dial();
        talk_send(&t, fd, t.len, SIZE_MAX);
        if (round % 3 != 0) {
            (void)shutdown(fd, SHUT_WR);
            talk_receive(&t, fd);
            check(!t.late, "garbage", "the server did not close");
        }
        (void)close(fd);
        free(bytes);
    }
    check(server_stop(pid, out, text, sizeof(text)), "the server survives garbage", text);
    check(strstr(text, "\"open\":0") != NULL, "no connection is left after garbage", text);
}

/* Conformance 12 of the original's clients: many at once on one socket, none dropped in silence. */
static void run_crowd(void) {
    static const char *const options[] = {NULL};
    static const char request[] = "GET /slow" V "&ms=200 HTTP/1.1\r\nConnection: close\r\n\r\n";
    int fds[20];
    char text[512];
    int out;
    unsigned served = 0, refused = 0;
    pid_t pid = server_start(options, &out);
    for (size_t i = 0; i < 20; i++) {
        fds[i] = dial();
        (void)send(fds[i], request, sizeof(request) - 1, MSG_NOSIGNAL);
    }
    for (size_t i = 0; i < 20; i++) {
        struct http_answers answers;
        struct talk t = {0};
        talk_receive(&t, fds[i]);
        (void)close(fds[i]);
        http_answers_read(answer, t.got, true, false, &answers);
        served += answers.cnt == 1 && answers.statuses[0] == 200 && !t.reset;
        refused += answers.cnt == 1 && answers.statuses[0] == 503 && !t.reset;
    }
    (void)snprintf(text, sizeof(text), "%u served, %u refused", served, refused);
    check(served >= 8 && served + refused == 20, "20 at once", text);
    check(server_stop(pid, out, text, sizeof(text)), "the server ends well", text);
}

/* Sixty-four clients that send a byte now and then do not hold up the sixty-fifth. */
static void run_slow_clients(void) {
    static const char *const options[] = {"max-conns=400", "max-peer=400", "head-ms=400", NULL};
    char text[512];
    int fds[64], out;
    pid_t pid = server_start(options, &out);
    for (size_t i = 0; i < 64; i++) {
        fds[i] = dial();
        (void)send(fds[i], "G", 1, MSG_NOSIGNAL);
    }
    for (size_t i = 0; i < 20; i++) {
        struct http_answers answers;
        struct talk t = {.bytes = CONTROL, .len = sizeof(CONTROL) - 1};
        int fd = dial();
        talk_send(&t, fd, t.len, SIZE_MAX);
        talk_receive(&t, fd);
        (void)close(fd);
        http_answers_read(answer, t.got, true, false, &answers);
        check(answers.cnt == 1 && answers.statuses[0] == 200 && !t.late, "beside slow clients", "");
        (void)send(fds[i], "E", 1, MSG_NOSIGNAL);
    }
    for (size_t i = 0; i < 64; i++) {
        struct http_answers answers;
        struct talk t = {0};
        talk_receive(&t, fds[i]);
        (void)close(fds[i]);
        http_answers_read(answer, t.got, true, false, &answers);
        check(answers.cnt == 1 && answers.statuses[0] == 408 && !t.reset, "slow client", "no 408");
    }
    check(server_stop(pid, out, text, sizeof(text)), "the server ends well", text);
}

static long resident_kib(pid_t pid) {
    char path[64], line[256];
    long kib = -1;
    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0) {
            kib = strtol(line + 6, NULL, 10);
        }
    }
    if (f != NULL) {
        (void)fclose(f);
    }
    return kib;
}

/* A reader that takes nothing of a gigabyte, and one that leaves. */
static void run_streams(void) {
    static const char *const options[] = {NULL};
    static const char request[] = "GET /stream" V "&bytes=1000000000 HTTP/1.1\r\n\r\n";
    char text[512];
    int fds[6], out;
    pid_t pid = server_start(options, &out);
    long before = resident_kib(pid);
    for (size_t i = 0; i < 6; i++) {
        fds[i] = dial();
        (void)send(fds[i], request, sizeof(request) - 1, MSG_NOSIGNAL);
    }
    (void)poll(NULL, 0, 200);
    long growth = resident_kib(pid) - before;
    (void)snprintf(text, sizeof(text), "%ld KiB more for six stuck readers", growth);
    check(growth < 20 * 1024, "stuck readers are bounded", text);
    for (size_t i = 0; i < 6; i++) {
        (void)close(fds[i]);
    }
    (void)poll(NULL, 0, 50);
    check(server_stop(pid, out, text, sizeof(text)), "the server ends well", text);
    check(strstr(text, "\"gone\":6") != NULL, "sources are told that their readers left", text);
}

static void remove_folder(void) {
    (void)unlink(address.sun_path);
    (void)rmdir(folder);
}

int main(int argc, char **argv) {
    if (argc < 2 || mkdtemp(folder) == NULL) {
        (void)fprintf(stderr, "usage: http_conformance HTTP_TESTD [NAME]\n");
        return 2;
    }
    testd_path = argv[1];
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/s.sock", folder);
    (void)atexit(remove_folder);
    run_table(argc > 2 ? argv[2] : NULL);
    if (argc == 2) {
        run_garbage();
        run_crowd();
        run_slow_clients();
        run_streams();
    }
    printf("http_conformance: %u checks passed, %u failed\n", passed, failed);
    return failed > 0 ? 1 : 0;
}
