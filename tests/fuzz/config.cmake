edge_fuzz_target(fuzz_config LIBS edge_config)
