set(expect ${CMAKE_CURRENT_LIST_DIR}/test_config_expect.c)
foreach(name config config_agent config_build config_check config_connection_string config_doc config_docs
             config_env config_json config_mode config_network config_provisioning config_report config_samples config_schema
             config_suggest config_take config_tree config_type config_uri config_value config_walk)
  edge_unit_test(test_${name} LIBS edge_config SOURCES ${expect})
endforeach()
edge_unit_test(test_config_yaml LIBS edge_config SOURCES ${expect}
               WRAP yaml_parser_initialize yaml_parser_parse)

# The documents that describe the keys are compared with the table of keys.
target_compile_definitions(test_config_docs PRIVATE EDGE_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
target_compile_definitions(test_config_samples PRIVATE
                           SAMPLES_DIR="${CMAKE_CURRENT_LIST_DIR}/config_samples")
