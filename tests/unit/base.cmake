edge_unit_test(test_b64 LIBS edge_base)
