/* SPDX-License-Identifier: MIT */
/*
 * Whether the container of edgeAgent that is there may stay.
 */
#include "agent_world.h"

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define OWN   "1111111111111111111111111111111111111111111111111111111111111111"
#define OTHER "2222222222222222222222222222222222222222222222222222222222222222"

#define LABELS "{\"net.azure-devices.edge.owner\":\"x\"}"
#define ENV                                                                                        \
    "[\"IOTEDGE_IOTHUBHOSTNAME=HUB.example.net\",\"IOTEDGE_DEVICEID=dev-1\",\"PATH\","             \
    "\"IOTEDGE_MODULEGENERATIONID=6380\"]"
#define MOUNTS                                                                                     \
    "[{\"Source\":\"/srv/edge/mnt/edgeAgent.sock\"},{\"X\":1},5,"                                  \
    "{\"Source\":\"/var/run/iotedge/mgmt.sock\"}]"

static enum agent_verdict judge(const char *labels, const char *env, const char *mounts,
                                const char *applied, const char **ret_why) {
    struct runtime_module m = {.name = AGENT_NAME};
    struct edge_config *cfg = agent_world_config("");
    struct cJSON *trees[3] = {NULL};
    const char *const texts[3] = {labels, env, mounts};
    for (size_t i = 0; i < 3; i++) {
        if (texts[i] != NULL) {
            assert_int_equal(json_parse(slice_str(texts[i]), &trees[i], NULL), EDGE_OK);
        }
    }
    m.labels = trees[0];
    m.env = trees[1];
    m.mounts = trees[2];
    *ret_why = NULL;
    enum agent_verdict v = agent_spec_judge(cfg, &agent_world_identity, OWN, applied, &m, ret_why);
    for (size_t i = 0; i < 3; i++) {
        json_free(trees[i]);
    }
    config_free(cfg);
    assert_int_equal(*ret_why != NULL, v == AGENT_REPLACE);
    return v;
}

static void test_one_that_we_made(void **state) {
    static const char own[] = "{\"" AGENT_SPEC_LABEL "\":\"" OWN "\"}";
    static const char other[] = "{\"" AGENT_SPEC_LABEL "\":\"" OTHER "\"}";
    const char *why;
    (void)state;
    assert_int_equal(judge(own, NULL, NULL, OWN, &why), AGENT_KEEP);
    /* The power went between its making and the note of it. */
    assert_int_equal(judge(own, NULL, NULL, OTHER, &why), AGENT_ADOPT);
    assert_int_equal(judge(own, NULL, NULL, "", &why), AGENT_ADOPT);
    assert_int_equal(judge(other, ENV, MOUNTS, OTHER, &why), AGENT_REPLACE);
    assert_non_null(strstr(why, "than before"));
    assert_int_equal(judge(other, ENV, MOUNTS, OWN, &why), AGENT_REPLACE);
}

/* Its image and environment may be anything: they are the deployment's. */
static void test_one_that_edge_agent_made_of_itself(void **state) {
    const char *why;
    (void)state;
    assert_int_equal(judge(LABELS, "[]", "[]", OWN, &why), AGENT_KEEP);
    assert_int_equal(judge(NULL, NULL, NULL, OWN, &why), AGENT_KEEP);
    assert_int_equal(judge(LABELS, ENV, MOUNTS, OTHER, &why), AGENT_REPLACE);
}

static void expect_fault(const char *env, const char *mounts, const char *part) {
    const char *why;
    assert_int_equal(judge(LABELS, env, mounts, "", &why), AGENT_REPLACE);
    if (strstr(why, part) == NULL) {
        fail_msg("'%s' instead of '%s'", why, part);
    }
}

static void test_one_of_an_earlier_daemon(void **state) {
    const char *why;
    (void)state;
    assert_int_equal(judge(LABELS, ENV, MOUNTS, "", &why), AGENT_ADOPT);
    /* Release 1.0 had one workload socket for all. */
    assert_int_equal(judge(LABELS, ENV,
                           "[{\"Source\":\"/var/run/iotedge/workload.sock\"},"
                           "{\"Source\":\"/var/run/iotedge/mgmt.sock\"}]",
                           "", &why),
                     AGENT_ADOPT);
    /* Both, by their folder; the rest from a file of the image. */
    assert_int_equal(judge(NULL, "[]", "[{\"Source\":\"/var/run/iotedge\"}]", "", &why),
                     AGENT_ADOPT);
    expect_fault("[\"IOTEDGE_IOTHUBHOSTNAME=other\"]", MOUNTS, "another hub or device");
    expect_fault("[\"IOTEDGE_DEVICEID=Dev-1\"]", MOUNTS, "another hub or device");
    expect_fault("[\"IOTEDGE_MODULEGENERATIONID=1\"]", MOUNTS, "created anew");
    expect_fault(ENV, "[{\"Source\":\"/srv/edge/mnt/edgeAgent.sock\"}]", "not mounted");
    expect_fault(ENV, "[{\"Source\":\"/var/run/iotedge/mgmt.sock\"}]", "not mounted");
    expect_fault(ENV, "[{\"Source\":\"/var/run\"}]", "not mounted");
    expect_fault(ENV, NULL, "not mounted");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_that_we_made),
        cmocka_unit_test(test_one_that_edge_agent_made_of_itself),
        cmocka_unit_test(test_one_of_an_earlier_daemon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
