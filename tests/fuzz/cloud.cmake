edge_fuzz_target(fuzz_json_dps LIBS edge_cloud)
edge_fuzz_target(fuzz_json_hub LIBS edge_cloud)
