set(support ${PROJECT_SOURCE_DIR}/tests/support)
edge_unit_test(test_runtime LIBS edge_runtime)
edge_unit_test(test_image_name LIBS edge_runtime)
foreach(part "" _settle _steps)
  edge_unit_test(test_module_ops${part} LIBS edge_runtime
                 SOURCES module_ops_world.c ${support}/fake_runtime.c ${support}/fake_loop.c)
endforeach()
edge_unit_test(test_module_env LIBS edge_runtime)
edge_unit_test(test_module_mounts LIBS edge_runtime)
edge_unit_test(test_module_spec LIBS edge_runtime)
set(docker_world docker_world.c ${support}/fake_transport.c ${support}/fake_loop.c)
edge_unit_test(test_docker LIBS edge_runtime SOURCES ${docker_world})
foreach(part control owned logs pull network images modules events)
  edge_unit_test(test_docker_${part} LIBS edge_runtime SOURCES ${docker_world})
endforeach()
foreach(part json modules_json answer details sieve images_json network_json pull_json text version)
  edge_unit_test(test_docker_${part} LIBS edge_runtime)
endforeach()

# Drives the Engine client from the integration tests.
add_executable(runtime_probe ${support}/runtime_probe.c)
target_link_libraries(runtime_probe PRIVATE edge_flags edge_runtime)

# Runs in containers of the integration tests: static, and so without sanitizers.
add_executable(module_ask ${support}/module_ask.c)
target_compile_definitions(module_ask PRIVATE _GNU_SOURCE)
target_link_options(module_ask PRIVATE -static)
# Neither -pie nor -no-pie, which clang takes ill beside -static.
set_property(TARGET module_ask PROPERTY POSITION_INDEPENDENT_CODE)
