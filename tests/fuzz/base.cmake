edge_fuzz_target(fuzz_b64 LIBS edge_base)
edge_fuzz_target(fuzz_clock LIBS edge_base)
edge_fuzz_target(fuzz_json LIBS edge_base)
edge_fuzz_target(fuzz_pct LIBS edge_base)
