set(api ${PROJECT_SOURCE_DIR}/edged/api)
edge_fuzz_target(fuzz_module_spec LIBS edge_runtime SOURCES ${api}/module_spec.c ${api}/module_env.c)
edge_fuzz_target(fuzz_log_time LIBS edge_runtime SOURCES ${api}/log_time.c)
