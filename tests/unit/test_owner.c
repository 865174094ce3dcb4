/* SPDX-License-Identifier: MIT */
/*
 * Giving up root for the owner of the state folder, with the system calls of a stand-in.
 */
#include "cli/owner.h"

#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    uid_t euid;
    bool has_entry;
    bool root_comes_back;
    int fail; /* number of the call that fails: 1 groups, 2 gid, 3 uid */
    char calls[64];
    gid_t gid;
    uid_t uid;
} env;

static void note(const char *name) {
    size_t len = strlen(env.calls);
    snprintf(env.calls + len, sizeof(env.calls) - len, "%s ", name);
}

static int outcome(int number) {
    errno = EPERM;
    return env.fail == number ? -1 : 0;
}

uid_t __wrap_geteuid(void);
uid_t __wrap_geteuid(void) {
    return env.euid;
}

int __wrap_getpwuid_r(uid_t uid, struct passwd *entry, char *text, size_t size,
                      struct passwd **found);
int __wrap_getpwuid_r(uid_t uid, struct passwd *entry, char *text, size_t size,
                      struct passwd **found) {
    static char name[] = "iotedge";
    (void)uid;
    (void)text;
    (void)size;
    entry->pw_name = name;
    entry->pw_gid = 991;
    *found = env.has_entry ? entry : NULL;
    return 0;
}

int __wrap_initgroups(const char *name, gid_t gid);
int __wrap_initgroups(const char *name, gid_t gid) {
    assert_string_equal(name, "iotedge");
    assert_int_equal(gid, 991);
    note("init");
    return outcome(1);
}

int __wrap_setgroups(size_t cnt, const gid_t *list);
int __wrap_setgroups(size_t cnt, const gid_t *list) {
    assert_int_equal(cnt, 1);
    (void)list;
    note("groups");
    return outcome(1);
}

int __wrap_setresgid(gid_t r, gid_t e, gid_t s);
int __wrap_setresgid(gid_t r, gid_t e, gid_t s) {
    assert_true(r == e && e == s);
    env.gid = r;
    note("gid");
    return outcome(2);
}

int __wrap_setresuid(uid_t r, uid_t e, uid_t s);
int __wrap_setresuid(uid_t r, uid_t e, uid_t s) {
    assert_true(r == e && e == s);
    if (strstr(env.calls, "uid") != NULL) {
        return env.root_comes_back ? 0 : -1;
    }
    env.uid = r;
    note("uid");
    return outcome(3);
}

static int setup(void **state) {
    memset(&env, 0, sizeof(env));
    env.has_entry = true;
    return tmpdir_setup(state);
}

/* The folder belongs to whoever runs the tests: say that it is not us. */
static uid_t owner(const struct tmpdir *dir) {
    struct stat st;
    assert_int_equal(stat(dir->path, &st), 0);
    return st.st_uid;
}

static void test_own_folder(void **state) {
    const struct tmpdir *dir = *state;
    env.euid = owner(dir);
    assert_int_equal(owner_become(dir->path, NULL), EDGE_OK);
    assert_string_equal(env.calls, "");
}

static void test_others_folder(void **state) {
    const struct tmpdir *dir = *state;
    struct edge_error err;
    env.euid = owner(dir) + 1;
    assert_int_equal(owner_become(dir->path, &err), EDGE_DENIED);
    assert_non_null(strstr(err.text, "as root"));
    assert_int_equal(owner_become(tmpdir_join(dir, "none"), &err), EDGE_NOT_FOUND);
    assert_string_equal(env.calls, "");
}

/* Only root can make files of others. */
static bool give_away(const struct tmpdir *dir) {
    return getuid() == 0 && chown(dir->path, 990, 990) == 0;
}

static void test_root_becomes_the_owner(void **state) {
    const struct tmpdir *dir = *state;
    if (!give_away(dir)) {
        skip();
    }
    assert_int_equal(owner_become(dir->path, NULL), EDGE_OK);
    assert_string_equal(env.calls, "init gid uid ");
    assert_int_equal(env.uid, 990);
    assert_int_equal(env.gid, 991);
}

static void test_owner_without_a_name(void **state) {
    const struct tmpdir *dir = *state;
    if (!give_away(dir)) {
        skip();
    }
    env.has_entry = false;
    assert_int_equal(owner_become(dir->path, NULL), EDGE_OK);
    assert_string_equal(env.calls, "groups gid uid ");
    assert_int_equal(env.gid, 990);
}

/* Who owns homedir may put anything in the place of our folder: root is not led to others' by it.
 */
static void test_folder_that_leads_elsewhere(void **state) {
    const struct tmpdir *dir = *state;
    struct edge_error err;
    assert_int_equal(symlinkat("/", dir->fd, "edged"), 0);
    if (!give_away(dir)) {
        skip();
    }
    assert_int_equal(owner_become(dir->path, &err), EDGE_CONFLICT);
    assert_non_null(strstr(err.text, "/edged"));
    assert_int_equal(unlinkat(dir->fd, "edged", 0), 0);
    assert_int_equal(mkdirat(dir->fd, "edged", 0700), 0); /* of root, in the folder of another */
    assert_int_equal(owner_become(dir->path, &err), EDGE_CONFLICT);
    assert_string_equal(env.calls, "");
    assert_int_equal(fchownat(dir->fd, "edged", 990, 990, 0), 0);
    assert_int_equal(owner_become(dir->path, NULL), EDGE_OK);
    assert_int_equal(env.uid, 990);
}

static void test_failures(void **state) {
    const struct tmpdir *dir = *state;
    if (!give_away(dir)) {
        skip();
    }
    for (int i = 1; i <= 3; i++) {
        memset(env.calls, 0, sizeof(env.calls));
        env.fail = i;
        assert_int_equal(owner_become(dir->path, NULL), EDGE_DENIED);
    }
    memset(env.calls, 0, sizeof(env.calls));
    env.fail = 0;
    env.root_comes_back = true;
    assert_int_equal(owner_become(dir->path, NULL), EDGE_INTERNAL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, tmpdir_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_own_folder),
        T(test_others_folder),
        T(test_root_becomes_the_owner),
        T(test_owner_without_a_name),
        T(test_folder_that_leads_elsewhere),
        T(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
