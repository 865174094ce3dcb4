/* SPDX-License-Identifier: MIT */
/*
 * swtpm as a child process. The child dies with the test.
 */
#include "support/swtpm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define START_WAIT_MS 10000

static const char *const setup_script =
    "set -e\n"
    "mkdir \"$D/ca\"\n"
    "printf 'create_certs_tool=/usr/bin/swtpm_localca\\n"
    "create_certs_tool_config=%s/ca.conf\\ncreate_certs_tool_options=%s/ca.options\\n' \"$D\" "
    "\"$D\" "
    "> \"$D/setup.conf\"\n"
    "printf 'statedir = %s/ca\\nsigningkey = %s/ca/key.pem\\nissuercert = %s/ca/cert.pem\\n"
    "certserial = %s/ca/serial\\n' \"$D\" \"$D\" \"$D\" \"$D\" > \"$D/ca.conf\"\n"
    "printf -- '--platform-manufacturer Test\\n--platform-version 1\\n--platform-model Model\\n' "
    "> \"$D/ca.options\"\n"
    "swtpm_setup --tpm2 --tpmstate \"$D/state\" --createek --create-ek-cert --create-platform-cert "
    "--lock-nvram --overwrite --config \"$D/setup.conf\" $(test \"$(id -u)\" = 0 && echo --runas "
    "root) "
    "> \"$D/setup.log\" 2>&1 || { cat \"$D/setup.log\" >&2; exit 1; }\n";

/* Not nanosleep, which tests of pauses replace. */
static void sleep_ms(int ms) {
    (void)poll(NULL, 0, ms);
}

/* The file of a socket is there before anybody listens on it. */
static bool is_listening(const char *path) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    bool ok = connect(fd, (const struct sockaddr *)(const void *)&addr, sizeof(addr)) == 0;
    (void)close(fd);
    return ok;
}

void swtpm_start(struct swtpm *s) {
    char state[96], server[160], ctrl[160], log[128], sock[96], control[104];

    (void)snprintf(state, sizeof(state), "dir=%s/state", s->dir);
    (void)snprintf(sock, sizeof(sock), "%s/sock", s->dir);
    (void)snprintf(server, sizeof(server), "type=unixio,path=%s", sock);
    (void)snprintf(ctrl, sizeof(ctrl), "type=unixio,path=%s.ctrl", sock);
    (void)snprintf(log, sizeof(log), "%s/log", s->dir);
    (void)snprintf(control, sizeof(control), "%s.ctrl", sock);
    (void)unlink(sock);
    (void)unlink(control);
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        (void)dup2(fd, 1);
        (void)dup2(fd, 2);
        (void)execlp("swtpm", "swtpm", "socket", "--tpm2", "--tpmstate", state, "--server", server,
                     "--ctrl", ctrl, "--flags", "not-need-init,startup-clear", (char *)NULL);
        _exit(127);
    }
    for (int waited = 0; !is_listening(control) || !is_listening(sock); waited += 10) {
        assert_true(waited < START_WAIT_MS);
        assert_int_equal(waitpid(s->pid, NULL, WNOHANG), 0);
        sleep_ms(10);
    }
}

void swtpm_stop(struct swtpm *s) {
    if (s->pid > 0) {
        (void)kill(s->pid, SIGKILL);
        while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    s->pid = 0;
}

struct swtpm *swtpm_new(bool manufactured) {
    struct swtpm *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    (void)snprintf(s->dir, sizeof(s->dir), "/tmp/swtpm-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    (void)snprintf(s->tcti, sizeof(s->tcti), "swtpm:path=%s/sock", s->dir);
    assert_int_equal(swtpm_sh(s, "mkdir \"$D/state\""), 0);
    if (manufactured) {
        assert_int_equal(swtpm_sh(s, setup_script), 0);
    }
    swtpm_start(s);
    return s;
}

void swtpm_free(struct swtpm *s) {
    if (s == NULL) {
        return;
    }
    swtpm_stop(s);
    (void)swtpm_sh(s, "rm -rf \"$D\"");
    free(s);
}

void swtpm_reset(struct swtpm *s, bool orderly) {
    if (orderly) {
        assert_int_equal(swtpm_sh(s, "tpm2_shutdown --clear"), 0);
    }
    swtpm_stop(s);
    swtpm_start(s);
}

int swtpm_sh_out(struct swtpm *s, const char *script, char *out, size_t size) {
    int fds[2], status = 0;
    size_t len = 0;

    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)dup2(fds[1], 1);
        (void)close(fds[0]);
        (void)setenv("TPM2TOOLS_TCTI", s->tcti, 1);
        (void)setenv("TSS2_LOG", "all+none", 1);
        (void)setenv("D", s->dir, 1);
        (void)execlp("sh", "sh", "-c", script, (char *)NULL);
        _exit(127);
    }
    (void)close(fds[1]);
    for (;;) {
        char ignored[512];
        bool full = out == NULL || len + 1 >= size;
        ssize_t n =
            read(fds[0], full ? ignored : out + len, full ? sizeof(ignored) : size - 1 - len);
        if (n <= 0) {
            break;
        }
        len += full ? 0 : (size_t)n;
    }
    if (out != NULL) {
        out[len] = '\0';
    }
    (void)close(fds[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

int swtpm_sh(struct swtpm *s, const char *script) {
    return swtpm_sh_out(s, script, NULL, 0);
}
