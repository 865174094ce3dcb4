/* SPDX-License-Identifier: MIT */
#include "api/cgroup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define ID_A  "1ef0bf51bef50422269679234cc94ce441db3c821fdb5a5beb1cd467b4e260ff"
#define ID_B  "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90"
#define UPPER "A1B2C3D4E5F60718293A4B5C6D7E8F90A1B2C3D4E5F60718293A4B5C6D7E8F90"

struct row {
    const char *what;
    const char *text;
    enum cgroup_verdict verdict;
    const char *id;
};

static const struct row rows[] = {
    /* Where engines put their containers. */
    {"v2, systemd driver", "0::/system.slice/docker-" ID_A ".scope\n", CGROUP_CONTAINER, ID_A},
    {"v2, cgroupfs driver", "0::/docker/" ID_A "\n", CGROUP_CONTAINER, ID_A},
    {"v1, cgroupfs driver, and v2 beside",
     "9:name=systemd:/docker/" ID_A "\n8:pids:/docker/" ID_A "\n7:blkio:/docker/" ID_A
     "\n6:freezer:/docker/" ID_A "\n2:cpuacct:/docker/" ID_A "\n0::/docker/" ID_A "\n",
     CGROUP_CONTAINER, ID_A},
    {"v1, systemd driver",
     "12:perf_event:/system.slice/docker-" ID_A ".scope\n3:cpu,cpuacct:/system.slice/docker-" ID_A
     ".scope\n1:name=systemd:/system.slice/docker-" ID_A ".scope\n",
     CGROUP_CONTAINER, ID_A},
    {"v1, hierarchies that the engine leaves alone",
     "5:misc:/\n4:memory:/docker/" ID_A "\n1:name=systemd:/\n", CGROUP_CONTAINER, ID_A},
    {"systemd driver below a parent of the operator",
     "0::/iot.slice/iot-modules.slice/docker-" ID_A ".scope\n", CGROUP_CONTAINER, ID_A},
    {"cgroupfs driver below a slice", "0::/iot.slice/" ID_A "\n", CGROUP_CONTAINER, ID_A},
    {"rootful Podman, systemd", "0::/machine.slice/libpod-" ID_A ".scope/container\n",
     CGROUP_CONTAINER, ID_A},
    {"rootful Podman, pod",
     "0::/machine.slice/machine-libpod_pod_" ID_B ".slice/libpod-" ID_A ".scope\n",
     CGROUP_CONTAINER, ID_A},
    {"rootful Podman, cgroupfs", "0::/libpod_parent/libpod-" ID_A "/container\n", CGROUP_CONTAINER,
     ID_A},
    {"kubelet, systemd driver",
     "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod12ab.slice/docker-" ID_A
     ".scope\n",
     CGROUP_CONTAINER, ID_A},

    /* Below the container is the container's own world. */
    {"init system inside", "0::/docker/" ID_A "/init.scope\n", CGROUP_CONTAINER, ID_A},
    {"engine inside", "0::/docker/" ID_A "/docker/" ID_B "\n", CGROUP_CONTAINER, ID_A},
    {"forged scope inside",
     "0::/system.slice/docker-" ID_A ".scope/system.slice/docker-" ID_B ".scope\n",
     CGROUP_CONTAINER, ID_A},
    {"forged bare id inside", "0::/docker/" ID_A "/" ID_B "\n", CGROUP_CONTAINER, ID_A},
    {"forged in one hierarchy only",
     "2:cpu:/docker/" ID_A "/docker/" ID_B "\n0::/docker/" ID_A "\n", CGROUP_CONTAINER, ID_A},
    {"odd names inside", "0::/docker/" ID_A "/a:b c\\x/../.././/\n", CGROUP_CONTAINER, ID_A},

    /* Seen from another cgroup namespace. */
    {"sibling of the reader's container", "0::/../" ID_A "\n", CGROUP_CONTAINER, ID_A},
    {"sibling, systemd", "0::/../docker-" ID_A ".scope\n", CGROUP_CONTAINER, ID_A},
    {"farther away", "0::/../../system.slice/docker-" ID_A ".scope\n", CGROUP_CONTAINER, ID_A},
    {"reader in a private namespace", "0::/\n", CGROUP_UNCLEAR, NULL},
    {"v1 and v2 roots", "9:name=systemd:/\n8:pids:/\n0::/\n", CGROUP_UNCLEAR, NULL},
    {"only upward", "0::/../..\n", CGROUP_UNCLEAR, NULL},
    {"up after down", "0::/docker/../" ID_A "\n", CGROUP_UNCLEAR, NULL},

    /* Places where others than root make names. */
    {"rootless Podman",
     "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID_A
     ".scope/container\n",
     CGROUP_UNCLEAR, NULL},
    {"user's own scope",
     "0::/user.slice/user-1000.slice/user@1000.service/app.slice/docker-" ID_A ".scope\n",
     CGROUP_UNCLEAR, NULL},
    {"user's own slice in a service", "0::/user@1000.service/system.slice/docker-" ID_A ".scope\n",
     CGROUP_UNCLEAR, NULL},
    {"service with delegation", "0::/system.slice/web.service/docker-" ID_A ".scope\n",
     CGROUP_UNCLEAR, NULL},
    {"service, bare id", "0::/system.slice/web.service/docker/" ID_A "\n", CGROUP_UNCLEAR, NULL},
    {"login session", "0::/user.slice/user-0.slice/session-1.scope/docker/" ID_A "\n",
     CGROUP_UNCLEAR, NULL},
    {"lxc container", "0::/lxc.payload.box/docker/" ID_A "\n", CGROUP_UNCLEAR, NULL},
    {"lxc container named like an id", "0::/lxc/" ID_A "\n", CGROUP_UNCLEAR, NULL},
    {"systemd inside lxc", "0::/lxc.payload.box/system.slice/docker-" ID_A ".scope\n",
     CGROUP_UNCLEAR, NULL},
    {"nspawn", "0::/machine.slice/machine-box.scope/payload/docker/" ID_A "\n", CGROUP_UNCLEAR,
     NULL},
    {"directory of a user on v1", "4:memory:/user/joe/0/docker/" ID_A "\n", CGROUP_UNCLEAR, NULL},
    {"plain parent of the operator", "0::/iot/" ID_A "\n", CGROUP_UNCLEAR, NULL},
    {"kubelet, cgroupfs driver", "0::/kubepods/burstable/pod12ab/" ID_A "\n", CGROUP_UNCLEAR, NULL},
    {"image builder of the engine", "0::/docker/buildkit/" ID_A "\n", CGROUP_UNCLEAR, NULL},
    {"pod directory of Podman", "0::/libpod_parent/" ID_A "/libpod-" ID_B "\n", CGROUP_UNCLEAR,
     NULL},
    {"forged in v2, honest in v1",
     "4:memory:/user.slice\n0::/user.slice/user-7.slice/user@7.service/docker-" ID_A ".scope\n",
     CGROUP_UNCLEAR, NULL},
    {"container in v1, forged in v2",
     "4:memory:/docker/" ID_B "\n0::/user.slice/user@7.service/docker-" ID_A ".scope\n",
     CGROUP_UNCLEAR, NULL},
    {"two containers", "4:memory:/docker/" ID_A "\n0::/docker/" ID_B "\n", CGROUP_UNCLEAR, NULL},

    /* The host. */
    {"service", "0::/system.slice/cron.service\n", CGROUP_HOST, NULL},
    {"session", "0::/user.slice/user-0.slice/session-1.scope\n", CGROUP_HOST, NULL},
    {"init", "0::/init.scope\n", CGROUP_HOST, NULL},
    {"hybrid", "4:memory:/some/group\n1:name=systemd:/\n0::/\n", CGROUP_HOST, NULL},
    {"monitor of Podman", "0::/machine.slice/libpod-conmon-" ID_A ".scope\n", CGROUP_HOST, NULL},
    {"foreign engine", "0::/system.slice/cri-containerd-" ID_A ".scope\n", CGROUP_HOST, NULL},
    {"service named like a container", "0::/system.slice/docker-" ID_A ".service\n", CGROUP_HOST,
     NULL},
    {"service named like an id", "0::/system.slice/" ID_A ".service\n", CGROUP_HOST, NULL},
    {"no id: upper case", "0::/docker/" UPPER "\n", CGROUP_HOST, NULL},
    {"no id: too long", "0::/docker/" ID_A "0\n", CGROUP_HOST, NULL},
    {"no id: short", "0::/docker/1ef0bf51bef5\n", CGROUP_HOST, NULL},
    {"no id: more after it", "0::/system.slice/docker-" ID_A "x.scope\n", CGROUP_HOST, NULL},
    {"exited, group removed", "0::/system.slice/docker-" ID_A ".scope (deleted)\n", CGROUP_HOST,
     NULL},

    /* Malformed. */
    {"empty", "", CGROUP_UNCLEAR, NULL},
    {"blank line", "\n", CGROUP_UNCLEAR, NULL},
    {"blank line after", "0::/docker/" ID_A "\n\n", CGROUP_UNCLEAR, NULL},
    {"cut short", "0::/docker/" ID_A, CGROUP_UNCLEAR, NULL},
    {"no colons", "docker\n", CGROUP_UNCLEAR, NULL},
    {"one colon", "0:/docker/" ID_A "\n", CGROUP_UNCLEAR, NULL},
    {"no number", "x::/docker/" ID_A "\n", CGROUP_UNCLEAR, NULL},
    {"negative number", "-1::/docker/" ID_A "\n", CGROUP_UNCLEAR, NULL},
    {"no path", "0::\n", CGROUP_UNCLEAR, NULL},
    {"relative path", "0::docker/" ID_A "\n", CGROUP_UNCLEAR, NULL},
    {"doubled slash", "0::/docker//" ID_A "\n", CGROUP_UNCLEAR, NULL},
    {"trailing slash", "0::/system.slice/\n", CGROUP_UNCLEAR, NULL},
    {"dot", "0::/./docker/" ID_A "\n", CGROUP_UNCLEAR, NULL},
    {"second line malformed", "0::/docker/" ID_A "\nwhat\n", CGROUP_UNCLEAR, NULL},
};

static void test_table(void **state) {
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        char id[RUNTIME_ID_LEN + 1] = "untouched";
        enum cgroup_verdict verdict = cgroup_find_container(slice_str(rows[i].text), id);
        const char *expected = rows[i].id != NULL ? rows[i].id : "untouched";
        if (verdict != rows[i].verdict || strcmp(id, expected) != 0) {
            fail_msg("%s: verdict %d, id '%s'", rows[i].what, (int)verdict, id);
        }
    }
}

/* Whatever is appended below a container's group, the verdict stays. */
static void test_nothing_below_counts(void **state) {
    static const char *const below[] = {"docker",
                                        "docker-" ID_B ".scope",
                                        "libpod-" ID_B ".scope",
                                        ("libpod-" ID_B),
                                        ID_B,
                                        "a.slice",
                                        "user.slice",
                                        "x.service",
                                        "..",
                                        ":",
                                        "0::"};
    char text[1024], id[RUNTIME_ID_LEN + 1];

    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(below); i++) {
        for (size_t j = 0; j < EDGE_ARRAY_LEN(below); j++) {
            snprintf(text, sizeof(text), "0::/docker/" ID_A "/%s/%s\n", below[i], below[j]);
            assert_int_equal(cgroup_find_container(slice_str(text), id), CGROUP_CONTAINER);
            assert_string_equal(id, ID_A);
        }
    }
}

/* And whatever an unprivileged directory is followed by, nobody is impersonated. */
static void test_nothing_foreign_counts(void **state) {
    static const char *const above[] = {"web.service", "web.scope",      "lxc", "user", "iot",
                                        "docker/x",    "libpod_parent/x"};
    static const char *const forms[] = {"docker-" ID_A ".scope",
                                        "libpod-" ID_A ".scope",
                                        "libpod-" ID_A,
                                        ID_A,
                                        "docker/" ID_A,
                                        "a.slice/docker-" ID_A ".scope",
                                        "libpod_parent/libpod-" ID_A};
    char text[1024], id[RUNTIME_ID_LEN + 1];

    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(above); i++) {
        for (size_t j = 0; j < EDGE_ARRAY_LEN(forms); j++) {
            snprintf(text, sizeof(text), "0::/%s/%s\n", above[i], forms[j]);
            assert_int_equal(cgroup_find_container(slice_str(text), id), CGROUP_UNCLEAR);
        }
    }
}

static void test_too_long(void **state) {
    static char text[CGROUP_TEXT_MAX + 2];
    char id[RUNTIME_ID_LEN + 1];

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text, "0::/", 4);
    text[CGROUP_TEXT_MAX - 1] = '\n';
    assert_int_equal(cgroup_find_container(slice_make(text, CGROUP_TEXT_MAX), id), CGROUP_HOST);
    assert_int_equal(cgroup_find_container(slice_make(text, CGROUP_TEXT_MAX + 1), id),
                     CGROUP_UNCLEAR);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_nothing_below_counts),
        cmocka_unit_test(test_nothing_foreign_counts),
        cmocka_unit_test(test_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
