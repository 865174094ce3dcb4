/* SPDX-License-Identifier: MIT */
#include "http_world.h"

#include "base/log.h"
#include "support/alloc_fail.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define GET_HOOK "GET /hook" WORLD_V " HTTP/1.1\r\n\r\n"

#define FEW 4

static const struct http_listen_options many = {.max_conns = 400, .max_conns_per_peer = 400};

static int setup(void **state) {
    (void)state;
    log_set_level(LOG_OFF);
    world_open(NULL, NULL);
    return 0;
}

static int setup_brief(void **state) {
    static const struct http_timeouts brief = {2000, 2000, 60, 40};
    (void)state;
    log_set_level(LOG_OFF);
    world_open(&many, &brief);
    return 0;
}

static const struct http_listen_options grouped = {
    .max_conns = 100, .max_conns_per_peer = 100, .max_conns_per_group = 4};

static int setup_grouped(void **state) {
    (void)state;
    log_set_level(LOG_OFF);
    world_open(&grouped, NULL);
    return 0;
}

static int setup_many(void **state) {
    (void)state;
    log_set_level(LOG_OFF);
    world_open(&many, NULL);
    return 0;
}

static int setup_few(void **state) {
    static const struct http_listen_options few = {.max_conns = FEW, .max_conns_per_peer = 400};
    (void)state;
    log_set_level(LOG_OFF);
    world_open(&few, NULL);
    return 0;
}

static int setup_few_and_brief(void **state) {
    static const struct http_listen_options few = {.max_conns = FEW, .max_conns_per_peer = 400};
    static const struct http_timeouts brief = {2000, 2000, 100, 40};
    (void)state;
    log_set_level(LOG_OFF);
    world_open(&few, &brief);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    world_close();
    return 0;
}

/* The ninth connection of a process is told so, whole, and even if it sends its request late. */
static void test_limit_per_peer(void **state) {
    (void)state;
    int fds[HTTP_PEER_CONNS + 1];
    for (size_t i = 0; i <= HTTP_PEER_CONNS; i++) {
        fds[i] = world_connect();
        world_turn();
    }
    world_send(fds[HTTP_PEER_CONNS], GET_HOOK);
    world_read_to_end(fds[HTTP_PEER_CONNS]);
    assert_int_equal(world.answers.statuses[0], 503);
    assert_true(world_contains("Retry-After: 1\r\n") && !world.reset);
    assert_int_equal(world_stats().refused, 1);
    for (size_t i = 0; i < HTTP_PEER_CONNS; i++) {
        world_send(fds[i], GET_HOOK);
        world_read(fds[i], 1);
        assert_int_equal(world.answers.statuses[0], 200);
    }
    /* One that leaves makes room, for another process there is room all the time. */
    (void)close(fds[0]);
    world_turn();
    assert_int_equal(world_ask(GET_HOOK), 200);
    for (size_t i = 1; i <= HTTP_PEER_CONNS; i++) {
        (void)close(fds[i]);
    }
}

static void test_other_process_has_its_own_limit(void **state) {
    int status;
    (void)state;
    int fds[HTTP_PEER_CONNS];
    for (size_t i = 0; i < HTTP_PEER_CONNS; i++) {
        fds[i] = world_connect();
        world_turn();
    }
    int sync[2];
    assert_int_equal(pipe2(sync, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        char text[16] = "";
        int fd = world_connect();
        (void)fcntl(fd, F_SETFL, 0);
        (void)send(fd, GET_HOOK, strlen(GET_HOOK), MSG_NOSIGNAL);
        ssize_t n = recv(fd, text, 12, MSG_WAITALL);
        _exit(n == 12 && memcmp(text, "HTTP/1.1 200", 12) == 0 ? 0 : 1);
    }
    while (waitpid(child, &status, WNOHANG) == 0) {
        world_turn();
        (void)poll(NULL, 0, 1); /* its time is not ours */
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    for (size_t i = 0; i < HTTP_PEER_CONNS; i++) {
        (void)close(fds[i]);
    }
    (void)close(sync[0]);
    (void)close(sync[1]);
}

/* Many processes of one container share a limit; who cannot be placed has none. */
static void test_limit_per_group(void **state) {
    (void)state;
    static const uint64_t groups[] = {7, 7, 7, 7, 7, 9, 7, 0, 0, 0, 0, 0, 9};
    static const int statuses[] = {200, 200, 200, 200, 503, 200, 503, 200, 200, 200, 200, 200, 200};
    int fds[EDGE_ARRAY_LEN(groups)];
    for (size_t i = 0; i < EDGE_ARRAY_LEN(groups); i++) {
        world.group = groups[i];
        fds[i] = world_connect();
        world_turn();
        world_send(fds[i], GET_HOOK);
        world_read(fds[i], 1);
        assert_int_equal(world.answers.statuses[0], statuses[i]);
    }
    /* One that leaves makes room. */
    (void)close(fds[0]);
    world_turn();
    world.group = 7;
    assert_int_equal(world_ask(GET_HOOK), 200);
    for (size_t i = 1; i < EDGE_ARRAY_LEN(groups); i++) {
        (void)close(fds[i]);
    }
}

static void fill_backlog(int fds[3 * HTTP_ACCEPT_BURST]) {
    for (size_t i = 0; i < 3 * HTTP_ACCEPT_BURST; i++) {
        fds[i] = world_connect();
    }
}

/* Who connects all the time leaves the loop its turns. */
static void test_accepting_pauses(void **state) {
    (void)state;
    int fds[3 * HTTP_ACCEPT_BURST];
    fill_backlog(fds);
    uint64_t before = world_stats().accepted;
    world_turn_once();
    assert_in_range(world_stats().accepted - before, 1, HTTP_ACCEPT_BURST);
    world_turn();
    assert_int_equal(world_stats().accepted - before, 3 * HTTP_ACCEPT_BURST);
    for (size_t i = 0; i < 3 * HTTP_ACCEPT_BURST; i++) {
        assert_int_equal(close(fds[i]), 0);
    }
    world_turn_ms(5);
    assert_int_equal(world_stats().open, 0);
}

/* The client that waits for its turn is let go with the listener. */
static void test_drain_while_accepting_pauses(void **state) {
    (void)state;
    int fds[3 * HTTP_ACCEPT_BURST];
    fill_backlog(fds);
    world_turn_once();
    world_drain();
    for (size_t i = 0; i < 3 * HTTP_ACCEPT_BURST; i++) {
        (void)close(fds[i]);
    }
}

static void test_three_hundred_connections(void **state) {
    (void)state;
    int fds[300];
    for (size_t i = 0; i < 300; i++) {
        fds[i] = world_connect();
        if (i % 50 == 0) {
            world_turn();
        }
    }
    world_turn();
    assert_int_equal(world_stats().open, 300);
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < 300; i++) {
            world_send(fds[i], GET_HOOK);
        }
        for (size_t i = 0; i < 300; i++) {
            world_read(fds[i], 1);
            assert_int_equal(world.answers.statuses[0], 200);
        }
    }
    for (size_t i = 0; i < 300; i++) {
        (void)close(fds[i]);
    }
    world_turn_ms(5);
    assert_int_equal(world_stats().open, 0);
    assert_int_equal(world.calls, 600);
}

/* 300 against the default limits of a listener: every one gets an answer. */
static void test_three_hundred_against_the_limits(void **state) {
    (void)state;
    int fds[300];
    size_t served = 0, refused = 0;
    for (size_t i = 0; i < 260; i++) {
        fds[i] = world_connect();
        world_send(fds[i], GET_HOOK);
        world_turn();
    }
    for (size_t i = 0; i < 260; i++) {
        world_read(fds[i], 1);
        served += world.answers.statuses[0] == 200;
        refused += world.answers.statuses[0] == 503;
        (void)close(fds[i]);
    }
    assert_int_equal(served, HTTP_PEER_CONNS);
    assert_int_equal(refused, 260 - HTTP_PEER_CONNS);
}

/* All places are taken by clients that say nothing, or that rest between requests: the one that has
 * done so the longest goes, one by one; a request that is being worked on stays. */
static void test_newcomer_takes_the_longest_waiting_place(void **state) {
    (void)state;
    int fds[FEW + 1];
    for (size_t i = 0; i < FEW; i++) {
        fds[i] = world_connect();
        world_turn_ms(2);
    }
    world_send(fds[0], GET_HOOK);
    world_read(fds[0], 1);
    for (size_t i = 1; i < FEW; i++) {
        assert_int_equal(world_ask(GET_HOOK), 200);
        world_send(fds[i], GET_HOOK); /* too late */
        world_read_to_end(fds[i]);
        assert_int_equal(world.answers.statuses[0], 503);
        fds[i] = world_connect();
        world_turn_ms(2);
    }
    /* The first has spoken meanwhile, and still has its place. */
    world_send(fds[0], GET_HOOK);
    world_read(fds[0], 1);
    assert_int_equal(world.answers.statuses[0], 200);
    assert_int_equal(world_stats().refused, 0);
    for (size_t i = 0; i < FEW; i++) {
        (void)close(fds[i]);
    }
}

static void echo(struct http_exchange *x) {
    struct slice body = http_exchange_body(x);
    struct buf out;
    buf_init(&out, 1024 * 1024);
    assert_int_equal(buf_append_slice(&out, body, NULL), EDGE_OK);
    http_reply_json(x, 200, &out);
}

static void test_one_mebibyte_each_way(void **state) {
    (void)state;
    const size_t len = 1024 * 1024;
    char *body = malloc(len);
    assert_non_null(body);
    for (size_t i = 0; i < len; i++) {
        body[i] = (char)('a' + i % 23);
    }
    world.handler = echo;
    int fd = world_connect();
    for (int round = 0; round < 2; round++) {
        world_send(fd, "POST /hook" WORLD_V " HTTP/1.1\r\nContent-Length: 1048576\r\n\r\n");
        world_send_bytes(fd, body, len);
        world_read(fd, 1);
        assert_int_equal(world.answers.body_lens[0], len);
        assert_memory_equal(world.text + world.text_len - len, body, len);
    }
    (void)close(fd);
    free(body);
}

static size_t pauses;
static size_t left;
static unsigned gone;
static struct http_exchange *stream;

static void pour(void *data) {
    static char bytes[10000];
    (void)data;
    while (left > 0) {
        size_t len = left < sizeof(bytes) ? left : sizeof(bytes);
        left -= len;
        if (!http_reply_stream_write(stream, slice_make(bytes, len))) {
            pauses++;
            return;
        }
    }
    http_reply_stream_end(stream);
}

static void on_gone(void *data) {
    assert_ptr_equal(data, &stream);
    gone++;
}

static void begin_stream(struct http_exchange *x) {
    stream = x;
    http_reply_stream_begin(x, 200, "text/plain", pour, on_gone, &stream);
    pour(NULL);
}

static void test_stream_waits_for_its_reader(void **state) {
    (void)state;
    world.handler = begin_stream;
    left = 2 * 1024 * 1024;
    pauses = 0;
    int fd = world_connect();
    world_send(fd, GET_HOOK);
    world_turn_ms(20);
    /* Nobody reads: what is taken from the source is what the socket and the queue hold. */
    assert_true(pauses >= 1 && pauses <= 3);
    assert_true(left > 1024 * 1024);
    world_read(fd, 1);
    assert_int_equal(world.answers.body_lens[0], 2 * 1024 * 1024);
    assert_int_equal(left, 0);
    assert_true(pauses > 1);
    /* The connection goes on. */
    world.handler = NULL;
    world_send(fd, GET_HOOK);
    world_read(fd, 1);
    assert_int_equal(world.answers.statuses[0], 200);
    (void)close(fd);
}

static void leave_stream(int how) {
    world.handler = begin_stream;
    left = 64 * 1024 * 1024;
    gone = 0;
    int fd = world_connect();
    world_send(fd, GET_HOOK);
    world_turn_ms(5);
    assert_int_equal(gone, 0);
    if (how >= 0) {
        assert_int_equal(shutdown(fd, how), 0);
        world_turn_ms(5);
        assert_int_equal(gone, 0);
    }
    (void)close(fd);
    world_turn_ms(5);
    assert_int_equal(gone, 1);
}

static void test_client_leaves_a_stream(void **state) {
    (void)state;
    leave_stream(-1);
    leave_stream(SHUT_WR);
}

static void begin_quiet_stream(struct http_exchange *x) {
    stream = x;
    http_reply_stream_begin(x, 200, "text/plain", NULL, on_gone, &stream);
}

static int open_quiet_stream(void) {
    world.handler = begin_quiet_stream;
    gone = 0;
    int fd = world_connect();
    world_send(fd, GET_HOOK);
    world_turn_ms(5);
    return fd;
}

/* A stream whose source is silent still notices, and a stream has no deadline. */
static void test_client_leaves_a_quiet_stream(void **state) {
    (void)state;
    world.handler = begin_quiet_stream;
    for (int half = 0; half < 2; half++) {
        gone = 0;
        int fd = world_connect();
        world_send(fd, "GET /brief" WORLD_V " HTTP/1.1\r\n\r\n");
        if (half) {
            assert_int_equal(shutdown(fd, SHUT_WR), 0);
        }
        world_turn_ms(80);
        assert_int_equal(gone, 0);
        (void)close(fd);
        world_turn_ms(5);
        assert_int_equal(gone, 1);
    }
}

/* Also when the client has sent so much behind its request that nobody reads on. */
static void test_talkative_client_leaves_a_quiet_stream(void **state) {
    static char bytes[4 * HTTP_READ_MAX];
    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    world.handler = begin_quiet_stream;
    gone = 0;
    int fd = world_connect();
    world_send(fd, GET_HOOK);
    world_send_bytes(fd, bytes, sizeof(bytes));
    world_turn_ms(5);
    assert_int_equal(gone, 0);
    (void)close(fd);
    world_turn_ms(5);
    assert_int_equal(gone, 1);
}

/* A source that has ended may be gone when the connection is released: nothing of it is called. */
static void test_stream_ends_beside_its_client(void **state) {
    (void)state;
    for (int whole = 0; whole < 2; whole++) {
        int fd = open_quiet_stream();
        (void)close(fd);
        assert_false(http_reply_stream_write(stream, SLICE_LIT("nobody")));
        if (whole) {
            http_reply_stream_end(stream);
        } else {
            http_reply_stream_break(stream);
        }
        world_turn();
        assert_int_equal(gone, 0);
        assert_int_equal(world_stats().open, 0);
    }
}

/* What was written arrives, and that it is not all is told by how it ends. */
static void test_stream_breaks_off(void **state) {
    (void)state;
    int fd = open_quiet_stream();
    assert_true(http_reply_stream_write(stream, SLICE_LIT("half")));
    http_reply_stream_break(stream);
    world_read_to_end(fd);
    assert_true(world_contains("\r\n\r\n4\r\nhalf\r\n"));
    assert_false(world_contains("\r\n0\r\n"));
    assert_true(world.eof && !world.reset);
    assert_int_equal(gone, 0);
    (void)close(fd);
}

/* A source that does not stop is stopped. */
static void test_deaf_source(void **state) {
    (void)state;
    static char bytes[65536];
    int fd = open_quiet_stream();
    for (int i = 0; i < 100 && gone == 0; i++) {
        (void)http_reply_stream_write(stream, slice_make(bytes, sizeof(bytes)));
    }
    assert_int_equal(gone, 0); /* later, not inside of the call */
    world_turn();
    assert_int_equal(gone, 1);
    world_read_to_end(fd);
    assert_true(world.eof);
    (void)close(fd);
}

static void pour_for_ever(void *data) {
    static char bytes[65536];
    while (http_reply_stream_write(data, slice_make(bytes, sizeof(bytes)))) {
    }
}

static void on_any_gone(void *data) {
    (void)data;
    gone++;
}

static void begin_endless_stream(struct http_exchange *x) {
    http_reply_stream_begin(x, 200, "text/plain", pour_for_ever, on_any_gone, x);
    pour_for_ever(x);
}

/* Clients of streams that do not read cannot hold all places for ever. */
static void test_stalled_streams_make_room(void **state) {
    int fds[FEW];
    (void)state;
    world.handler = begin_endless_stream;
    gone = 0;
    for (size_t i = 0; i < FEW; i++) {
        fds[i] = world_connect();
        world_send(fds[i], GET_HOOK);
        world_turn();
    }
    world.handler = NULL;
    assert_int_equal(world_ask(GET_HOOK), 503);
    world_turn_ms(150);
    assert_int_equal(gone, 0); /* as long as there is no need */
    assert_int_equal(world_ask(GET_HOOK), 200);
    assert_int_equal(gone, 1);
    for (size_t i = 0; i < FEW; i++) {
        (void)close(fds[i]);
    }
    world_turn();
}

/* A module's socket: those above its limits are told so, up to a number of its own, and nobody else
 * feels them. */
static void test_refusals_of_one_listener(void **state) {
    static const struct http_listen_options opt = {
        .module = "m", .max_conns = 1, .max_conns_per_peer = 9, .max_refused = 2};
    char shared[256];
    int fds[4];
    (void)state;
    memcpy(shared, world.path, sizeof(shared));
    (void)snprintf(world.path, sizeof(world.path), "%s", tmpdir_join(world.dir, "m.sock"));
    assert_int_equal(http_server_listen_path(world.server, world.path, &opt, NULL), EDGE_OK);
    world.handler = begin_quiet_stream;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(fds); i++) {
        fds[i] = world_connect();
        if (i == 0) {
            world_send(fds[i], GET_HOOK);
        }
        world_turn();
    }
    world_read_to_end(fds[3]);
    assert_int_equal(world.answers.cnt, 0);
    for (size_t i = 1; i < 3; i++) {
        world_send(fds[i], GET_HOOK);
        world_read_to_end(fds[i]);
        assert_int_equal(world.answers.statuses[0], 503);
    }
    memcpy(world.path, shared, sizeof(shared));
    world.handler = NULL;
    assert_int_equal(world_ask(GET_HOOK), 200);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(fds); i++) {
        (void)close(fds[i]);
    }
    world_turn();
}

static void test_drain_cuts_streams(void **state) {
    (void)state;
    int fd = open_quiet_stream();
    world_close();
    assert_int_equal(gone, 1);
    (void)close(fd);
    world_open(NULL, NULL);
}

/* The timer may have been set for somebody else, earlier than the drain needs it. */
static void test_drain_after_another_deadline(void **state) {
    (void)state;
    int fd = open_quiet_stream();
    world.handler = NULL;
    int idle = world_connect();
    world_send(idle, GET_HOOK);
    world_turn_ms(5);
    world_close(); /* closes that one at once, but the timer is set for it */
    assert_int_equal(gone, 1);
    (void)close(idle);
    (void)close(fd);
    world_open(NULL, NULL);
}

static void large(struct http_exchange *x) {
    struct buf out;
    uint8_t *at;
    buf_init(&out, 2 * 1024 * 1024);
    assert_int_equal(buf_reserve(&out, 1024 * 1024, &at, NULL), EDGE_OK);
    memset(at, 'x', 1024 * 1024);
    buf_added(&out, 1024 * 1024);
    http_reply_json(x, 200, &out);
}

/* A reader that stops gets a time, one that is slow gets it again. */
static void test_slow_and_stuck_readers(void **state) {
    (void)state;
    char bytes[65536];
    world.handler = large;
    int stuck = world_connect();
    int slow = world_connect();
    world_send(stuck, GET_HOOK);
    world_send(slow, GET_HOOK);
    for (int i = 0; i < 12; i++) {
        world_turn_ms(20);
        (void)recv(slow, bytes, sizeof(bytes), 0);
    }
    assert_int_equal(world_stats().open, 1);
    world_read_to_end(slow);
    (void)close(slow);
    (void)close(stuck);
}

/* Much more than is held waits in the socket, and is served in its turn. */
static struct op handle;

static void keep_handle(struct http_exchange *x) {
    handle = http_exchange_handle(x);
}

static void test_pipelining_is_bounded(void **state) {
    (void)state;
    const size_t cnt = 50;
    char *bytes = malloc(cnt * 1100);
    size_t len = 0;
    assert_non_null(bytes);
    for (size_t i = 0; i < cnt; i++) {
        len += (size_t)snprintf(bytes + len, 1100,
                                "GET /hook" WORLD_V " HTTP/1.1\r\nX: %01000d\r\n\r\n", 1);
    }
    world.handler = keep_handle;
    int fd = world_connect();
    world_send_bytes(fd, bytes, len);
    world_turn_ms(5);
    assert_int_equal(world.calls, 1);
    world.handler = NULL;
    http_reply_empty(http_exchange_from(world.server, handle), 200);
    world_read(fd, cnt);
    assert_int_equal(world.answers.cnt, cnt);
    assert_int_equal(world.calls, cnt);
    (void)close(fd);
    free(bytes);
}

static void test_client_gone_before_the_answer_is_written(void **state) {
    (void)state;
    int fd = world_connect();
    world_send(fd, GET_HOOK);
    (void)close(fd);
    world_turn_ms(5);
    assert_int_equal(world_stats().open, 0);
    assert_int_equal(world.calls, 1);
}

/* Without descriptors clients are turned away, the loop does not spin, and service resumes. */
static void test_out_of_descriptors(void **state) {
    (void)state;
    struct rlimit was, tight;
    int fds[6];
    size_t clients = 0, ended = 0;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    for (; clients < EDGE_ARRAY_LEN(fds); clients++) {
        fds[clients] = world_connect();
    }
    int top = dup(0);
    (void)close(top);
    tight = was;
    tight.rlim_cur = (rlim_t)top + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    world_turn_ms(10);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    for (size_t i = 0; i < clients; i++) {
        char byte;
        ended += recv(fds[i], &byte, 1, 0) == 0;
        (void)close(fds[i]);
    }
    /* One found the last descriptor; none waits in the queue. */
    assert_int_equal(ended, clients - 1);
    world_turn_ms(5);
    assert_int_equal(world_ask(GET_HOOK), 200);
}

/* More than the server has memory for from earlier connections. */
static enum edge_code accept_some(void *data) {
    uint64_t *refused = data;
    uint64_t before = *refused;
    int fds[11];
    for (size_t i = 0; i < EDGE_ARRAY_LEN(fds); i++) {
        fds[i] = world_connect();
    }
    world_turn();
    *refused = world_stats().refused;
    assert_int_equal(world_stats().open + (*refused - before), EDGE_ARRAY_LEN(fds));
    for (size_t i = 0; i < EDGE_ARRAY_LEN(fds); i++) {
        (void)close(fds[i]);
    }
    world_turn();
    assert_int_equal(world_stats().open, 0);
    return *refused == before ? EDGE_OK : EDGE_NOMEM;
}

/* Clients that there is no memory for are dropped; the ones behind them are served. */
static void test_out_of_memory(void **state) {
    (void)state;
    uint64_t refused = 0;
    assert_true(alloc_fail_torture(accept_some, &refused) >= 1);
    assert_int_equal(world_ask(GET_HOOK), 200);
}

#define TEST(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)
#define MANY(name)  cmocka_unit_test_setup_teardown(name, setup_many, teardown)
#define FULL(name)  cmocka_unit_test_setup_teardown(name, setup_few, teardown)
#define BRIEF(name) cmocka_unit_test_setup_teardown(name, setup_brief, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_limit_per_peer),
        TEST(test_other_process_has_its_own_limit),
        MANY(test_three_hundred_connections),
        cmocka_unit_test_setup_teardown(test_limit_per_group, setup_grouped, teardown),
        MANY(test_accepting_pauses),
        MANY(test_drain_while_accepting_pauses),
        TEST(test_three_hundred_against_the_limits),
        FULL(test_newcomer_takes_the_longest_waiting_place),
        TEST(test_one_mebibyte_each_way),
        TEST(test_stream_waits_for_its_reader),
        TEST(test_client_leaves_a_stream),
        TEST(test_client_leaves_a_quiet_stream),
        TEST(test_talkative_client_leaves_a_quiet_stream),
        TEST(test_stream_ends_beside_its_client),
        TEST(test_stream_breaks_off),
        TEST(test_deaf_source),
        cmocka_unit_test_setup_teardown(test_stalled_streams_make_room, setup_few_and_brief,
                                        teardown),
        TEST(test_refusals_of_one_listener),
        TEST(test_drain_cuts_streams),
        BRIEF(test_drain_after_another_deadline),
        BRIEF(test_slow_and_stuck_readers),
        TEST(test_pipelining_is_bounded),
        TEST(test_client_gone_before_the_answer_is_written),
        MANY(test_out_of_descriptors),
        MANY(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
