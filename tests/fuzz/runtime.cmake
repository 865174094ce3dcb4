edge_fuzz_target(fuzz_json_docker LIBS edge_runtime)
edge_fuzz_target(fuzz_docker_sieve LIBS edge_runtime)
edge_fuzz_target(fuzz_module_spec LIBS edge_runtime)
edge_fuzz_target(fuzz_cgroup LIBS edge_runtime SOURCES ${PROJECT_SOURCE_DIR}/edged/api/cgroup.c)
