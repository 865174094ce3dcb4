edge_fuzz_target(fuzz_operator LIBS edge_cli)
