edge_unit_test(test_tpm_info LIBS edge_cli)
