foreach(name test_config_yaml)
  edge_unit_test(${name} LIBS edge_config SOURCES ${CMAKE_CURRENT_LIST_DIR}/test_config_expect.c)
endforeach()
