edge_unit_test(test_moved LIBS edge_agent
               SOURCES ${CMAKE_SOURCE_DIR}/tests/support/fake_loop.c
                       ${CMAKE_SOURCE_DIR}/tests/support/fake_runtime.c)
foreach(part agent_spec agent_verdict)
  edge_unit_test(test_${part} LIBS edge_agent SOURCES agent_world.c)
endforeach()
edge_unit_test(test_canonical_json LIBS edge_agent)
edge_unit_test(test_agent_record LIBS edge_agent)
edge_unit_test(test_moved_file LIBS edge_agent)
foreach(part agent agent_make agent_pace)
  edge_unit_test(test_${part} LIBS edge_agent
                 SOURCES agent_rig.c ${CMAKE_SOURCE_DIR}/tests/support/fake_loop.c
                         ${CMAKE_SOURCE_DIR}/tests/support/fake_runtime.c)
endforeach()

edge_unit_test(test_sim_changes LIBS edge_agent
               SOURCES agent_rig.c ${CMAKE_SOURCE_DIR}/tests/support/fake_loop.c
                       ${CMAKE_SOURCE_DIR}/tests/support/fake_runtime.c)

# Tells the integration tests what edgeAgent would be made of.
add_executable(agent_spec_probe ${CMAKE_SOURCE_DIR}/tests/support/agent_spec_probe.c)
target_link_libraries(agent_spec_probe PRIVATE edge_flags edge_agent)
edge_unit_test(test_stop_modules LIBS edge_agent
               SOURCES ${CMAKE_SOURCE_DIR}/tests/support/fake_loop.c
                       ${CMAKE_SOURCE_DIR}/tests/support/fake_runtime.c)

edge_unit_test(test_image_claim LIBS edge_agent)
edge_unit_test(test_image_use LIBS edge_agent)
edge_unit_test(test_image_account LIBS edge_agent
               SOURCES ${CMAKE_SOURCE_DIR}/tests/support/fake_loop.c)
edge_unit_test(test_image_pulls LIBS edge_agent
               SOURCES ${CMAKE_SOURCE_DIR}/tests/support/fake_images.c
                       ${CMAKE_SOURCE_DIR}/tests/support/fake_loop.c)
edge_unit_test(test_image_gc LIBS edge_agent
               SOURCES ${CMAKE_SOURCE_DIR}/tests/support/fake_images.c
                       ${CMAKE_SOURCE_DIR}/tests/support/fake_loop.c
                       ${CMAKE_SOURCE_DIR}/tests/support/fake_wall.c)

# Removes images of real engines in the integration tests.
add_executable(image_probe ${CMAKE_SOURCE_DIR}/tests/support/image_probe.c)
target_link_libraries(image_probe PRIVATE edge_flags edge_agent)
