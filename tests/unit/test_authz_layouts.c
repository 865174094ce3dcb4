/* SPDX-License-Identifier: MIT */
/*
 * Who is who under the cgroup layouts that devices have: the same processes of the same device, as
 * /proc tells them under cgroup v1, v2 and both, with each cgroup driver and engine.
 */
#include "authz_world.h"

#include "support/fake_runtime.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* All controllers of cgroup v1 in one place; the hierarchy of its own that rdma has is not used by
 * engines. */
#define V1(path)                                                                                   \
    "12:hugetlb:" path "\n11:rdma:/\n10:net_cls,net_prio:" path "\n9:cpuset:" path                 \
    "\n8:perf_event:" path "\n7:blkio:" path "\n6:devices:" path "\n5:freezer:" path               \
    "\n4:memory:" path "\n3:pids:" path "\n2:cpu,cpuacct:" path "\n1:name=systemd:" path "\n"

/* A board without systemd: fewer controllers, each of its own. */
#define V1_BARE(path)                                                                              \
    "7:freezer:" path "\n6:devices:" path "\n5:memory:" path "\n4:blkio:" path "\n3:cpuacct:" path \
    "\n2:cpu:" path "\n1:cpuset:" path "\n"

struct layout {
    const char *what;
    const char *module;   /* module a's first process */
    const char *deeper;   /* one below a cgroup that the module made itself */
    const char *other;    /* module b's */
    const char *alien;    /* of a container that is not ours */
    const char *service;  /* of the host */
    const char *shell;    /* an operator's */
    const char *engine;   /* the engine's own */
    const char *impostor; /* a user's service that calls its cgroup like module a's */
};

static const struct layout layouts[] = {
    {
        .what = "v2, Docker with the systemd driver (Debian 11 and newer, Ubuntu 22.04)",
        .module = "0::/system.slice/docker-" ID_A ".scope\n",
        .deeper = "0::/system.slice/docker-" ID_A ".scope/system.slice/docker-" ID_B ".scope\n",
        .other = "0::/system.slice/docker-" ID_B ".scope\n",
        .alien = "0::/system.slice/docker-" ID_ALIEN ".scope\n",
        .service = "0::/system.slice/ssh.service\n",
        .shell = "0::/user.slice/user-1000.slice/session-3.scope\n",
        .engine = "0::/system.slice/docker.service\n",
        .impostor =
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/docker-" ID_A ".scope\n",
    },
    {
        .what = "v2, Docker with the cgroupfs driver (OpenRC, BusyBox init)",
        .module = "0::/docker/" ID_A "\n",
        .deeper = "0::/docker/" ID_A "/docker/" ID_B "\n",
        .other = "0::/docker/" ID_B "\n",
        .alien = "0::/docker/" ID_ALIEN "\n",
        .service = "0::/sshd\n",
        .shell = "0::/\n",
        .engine = "0::/docker\n",
        .impostor = "0::/users/joe/docker/" ID_A "\n",
    },
    {
        .what = "v2, Podman as root",
        .module = "0::/machine.slice/libpod-" ID_A ".scope/container\n",
        .deeper = "0::/machine.slice/libpod-" ID_A ".scope/container/libpod-" ID_B ".scope\n",
        .other = "0::/machine.slice/libpod-" ID_B ".scope/container\n",
        .alien = "0::/machine.slice/libpod-" ID_ALIEN ".scope/container\n",
        .service = "0::/system.slice/ssh.service\n",
        .shell = "0::/user.slice/user-0.slice/session-1.scope\n",
        .engine = "0::/system.slice/podman.service\n",
        .impostor = "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID_A
                    ".scope/container\n",
    },
    {
        .what = "v1 beside v2, Docker with the cgroupfs driver (Debian 10, Ubuntu 20.04)",
        .module = V1("/docker/" ID_A) "0::/system.slice/containerd.service\n",
        .deeper = V1("/docker/" ID_A "/docker/" ID_B) "0::/system.slice/containerd.service\n",
        .other = V1("/docker/" ID_B) "0::/system.slice/containerd.service\n",
        .alien = V1("/docker/" ID_ALIEN) "0::/system.slice/containerd.service\n",
        .service = V1("/system.slice/ssh.service") "0::/system.slice/ssh.service\n",
        .shell = V1("/user.slice/user-1000.slice/session-3.scope") "0::/user.slice/user-1000.slice/"
                                                                   "session-3.scope\n",
        .engine = V1("/system.slice/docker.service") "0::/system.slice/docker.service\n",
        .impostor =
            V1("/user.slice/user-1000.slice/user@1000.service/docker/" ID_A) "0::/user.slice/"
                                                                             "user-1000.slice/"
                                                                             "user@1000.service/"
                                                                             "docker/" ID_A "\n",
    },
    {
        .what = "v1 beside v2, Docker with the systemd driver",
        .module =
            V1("/system.slice/docker-" ID_A ".scope") "0::/system.slice/docker-" ID_A ".scope\n",
        .deeper = V1("/system.slice/docker-" ID_A
                     ".scope/docker/" ID_B) "0::/system.slice/docker-" ID_A ".scope\n",
        .other =
            V1("/system.slice/docker-" ID_B ".scope") "0::/system.slice/docker-" ID_B ".scope\n",
        .alien = V1("/system.slice/docker-" ID_ALIEN ".scope") "0::/system.slice/docker-" ID_ALIEN
                                                               ".scope\n",
        .service = V1("/system.slice/ssh.service") "0::/system.slice/ssh.service\n",
        .shell = V1("/user.slice") "0::/user.slice/user-1000.slice/session-3.scope\n",
        .engine = V1("/system.slice/docker.service") "0::/system.slice/docker.service\n",
        .impostor =
            V1("/user.slice") "0::/user.slice/user-1000.slice/user@1000.service/docker-" ID_A
                              ".scope\n",
    },
    {
        .what = "v1 alone, a board without systemd",
        .module = V1_BARE("/docker/" ID_A),
        .deeper = V1_BARE("/docker/" ID_A "/docker/" ID_B),
        .other = V1_BARE("/docker/" ID_B),
        .alien = V1_BARE("/docker/" ID_ALIEN),
        .service = V1_BARE("/daemons"),
        .shell = V1_BARE("/"),
        .engine = V1_BARE("/docker"),
        .impostor = V1_BARE("/users/joe/docker/" ID_A),
    },
    {
        .what = "v1 alone, Podman as root with the cgroupfs driver",
        .module = V1("/libpod_parent/libpod-" ID_A),
        .deeper = V1("/libpod_parent/libpod-" ID_A "/libpod_parent/libpod-" ID_B),
        .other = V1("/libpod_parent/libpod-" ID_B),
        .alien = V1("/libpod_parent/libpod-" ID_ALIEN),
        .service = V1("/system.slice/ssh.service"),
        .shell = V1("/user.slice/user-0.slice/session-1.scope"),
        .engine = V1("/system.slice/podman.service"),
        .impostor = V1("/user.slice/user-1000.slice/user@1000.service/libpod-" ID_A),
    },
};

static void expect(const struct layout *l, const char *who, const char *cgroup, const char *module,
                   int status) {
    struct http_exchange *x = world_conn(0, cgroup);
    int got = world_ask(x, module);
    if (got != status) {
        fail_msg("%s: %s as '%s' got %d, not %d: %s", l->what, who, module, got, status,
                 world.last_line);
    }
    x = world_conn(0, cgroup);
    world_without_pidfd(x); /* as kernels have it that still mount cgroup v1 */
    assert_int_equal(world_ask(x, module), status);
}

static void test_layouts(void **state) {
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(layouts); i++) {
        const struct layout *l = &layouts[i];
        const struct {
            const char *who, *cgroup;
        } strangers[] = {{"a container that is not ours", l->alien},
                         {"a service", l->service},
                         {"an operator", l->shell},
                         {"the engine", l->engine},
                         {"an impostor", l->impostor}};
        expect(l, "the module", l->module, "a", ALLOWED);
        expect(l, "the module", l->module, "b", 404);
        expect(l, "what it started deeper", l->deeper, "a", ALLOWED);
        expect(l, "what it started deeper", l->deeper, "b", 404);
        expect(l, "the other", l->other, "b", ALLOWED);
        expect(l, "the other", l->other, "a", 404);
        for (size_t j = 0; j < EDGE_ARRAY_LEN(strangers); j++) {
            expect(l, strangers[j].who, strangers[j].cgroup, "a", 404);
            expect(l, strangers[j].who, strangers[j].cgroup, "alien", 404);
        }
    }
}

/* Modules are told by their cgroup alone: nobody asks the engine for lists of processes. */
static void test_modules_cost_no_listing(void **state) {
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(layouts); i++) {
        assert_int_equal(world_ask(world_conn(0, layouts[i].module), "a"), ALLOWED);
        assert_int_equal(world_ask(world_conn(1, layouts[i].other), "b"), ALLOWED);
    }
    assert_int_equal(fake_runtime_tops(world.engine), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_layouts),
        WORLD_TEST(test_modules_cost_no_listing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
