/* SPDX-License-Identifier: MIT */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct item {
    int number;
    struct list node;
};

static void check_order(const struct list *head, const char *want) {
    size_t i = 0;
    list_for_each (pos, tmp, head) {
        assert_int_equal(LIST_ENTRY(pos, struct item, node)->number, want[i] - '0');
        i++;
    }
    assert_int_equal(i, strlen(want));
}

static void test_order_and_removal(void **state) {
    (void)state;
    struct list head;
    struct item items[4];
    list_init(&head);
    assert_true(list_is_empty(&head));
    for (int i = 0; i < 4; i++) {
        items[i].number = i;
        list_append(&head, &items[i].node);
    }
    assert_false(list_is_empty(&head));
    check_order(&head, "0123");
    list_remove(&items[1].node);
    list_remove(&items[1].node);
    check_order(&head, "023");
    list_append(&head, &items[1].node);
    check_order(&head, "0231");
    list_for_each (pos, tmp, &head) {
        list_remove(pos);
    }
    assert_true(list_is_empty(&head));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_removal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
