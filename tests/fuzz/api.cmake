set(api ${PROJECT_SOURCE_DIR}/edged/api)
edge_fuzz_target(fuzz_log_time LIBS edge_runtime SOURCES ${api}/log_time.c)
