/* SPDX-License-Identifier: MIT */
/* Arena and links of the document tree. */
#include "config/config_tree.h"

#include "test_config_expect.h"

#include <stdlib.h>
#include <string.h>

static struct config_node *member(struct config_tree *tree, struct config_node *map,
                                  const char *key) {
    struct config_node *node = config_tree_node(tree, CONFIG_STRING);
    assert_non_null(node);
    assert_true(config_tree_text(tree, slice_str(key), &node->key));
    config_tree_append(map, node);
    return node;
}

static void test_members(void **state) {
    (void)state;
    struct config_tree *tree = config_tree_new();
    assert_non_null(tree);
    struct config_node *map = config_tree_node(tree, CONFIG_MAP);
    struct config_node *a = member(tree, map, "a");
    struct config_node *b = member(tree, map, "b");
    struct config_node *c = member(tree, map, "c");
    assert_int_equal(map->node_cnt, 4);
    assert_int_equal(map->height, 1);
    assert_ptr_equal(config_tree_member(map, SLICE_LIT("b")), b);
    assert_null(config_tree_member(map, SLICE_LIT("B")));
    assert_null(config_tree_member(a, SLICE_LIT("b")));
    assert_null(config_tree_member(NULL, SLICE_LIT("b")));

    config_tree_remove(map, b);
    assert_ptr_equal(map->first, a);
    assert_ptr_equal(a->next, c);
    config_tree_remove(map, b);
    assert_ptr_equal(a->next, c);
    config_tree_remove(map, c);
    assert_ptr_equal(map->last, a);
    config_tree_remove(map, a);
    assert_null(map->first);
    assert_null(map->last);
    struct config_node *d = member(tree, map, "d");
    assert_ptr_equal(map->first, d);
    config_tree_free(tree);
    config_tree_free(NULL);
}

static void test_texts_of_any_size(void **state) {
    (void)state;
    struct config_tree *tree = config_tree_new();
    assert_non_null(tree);
    static char big[20000];
    memset(big, 'x', sizeof(big));
    static const size_t sizes[] = {0, 1, 15, 16, 17, 4000, 4095, 4096, 4097, 20000};
    struct slice copies[EDGE_ARRAY_LEN(sizes)];
    for (size_t i = 0; i < EDGE_ARRAY_LEN(sizes); i++) {
        assert_true(config_tree_text(tree, slice_make(big, sizes[i]), &copies[i]));
    }
    for (size_t i = 0; i < EDGE_ARRAY_LEN(sizes); i++) {
        assert_int_equal(copies[i].len, sizes[i]);
        assert_int_equal(strlen(copies[i].ptr), sizes[i]);
        assert_int_equal((uintptr_t)copies[i].ptr % _Alignof(max_align_t), 0);
    }
    struct slice untouched = SLICE_LIT("u");
    assert_false(config_tree_text(tree, (struct slice){big, SIZE_MAX}, &untouched));
    assert_string_equal(untouched.ptr, "u");
    config_tree_free(tree);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_texts_of_any_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
