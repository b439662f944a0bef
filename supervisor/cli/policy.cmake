alos_library(alos_policy_cli PRECOMPILED
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/policy_common.cc
  HEADERS ${CMAKE_CURRENT_LIST_DIR}/policy_common.h
  LINK alos_policy_load CLI11::CLI11 nlohmann_json::nlohmann_json)
alos_program(alos-policy
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/policy_main.cc
          ${CMAKE_CURRENT_LIST_DIR}/policy_check.cc ${CMAKE_CURRENT_LIST_DIR}/policy_explain.cc
          ${CMAKE_CURRENT_LIST_DIR}/policy_show.cc ${CMAKE_CURRENT_LIST_DIR}/policy_list.cc
          ${CMAKE_CURRENT_LIST_DIR}/policy_compile.cc
  LINK alos_policy_cli alos_help alos_seccomp)

# The profiles lie beside the programs, as profile_directory() expects of a build tree.
file(GLOB profiles CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/profiles/*.yaml)
set(copied)
foreach(profile ${profiles})
  get_filename_component(name ${profile} NAME)
  add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/bin/profiles/${name}
    COMMAND ${CMAKE_COMMAND} -E copy ${profile} ${CMAKE_BINARY_DIR}/bin/profiles/${name} DEPENDS ${profile})
  list(APPEND copied ${CMAKE_BINARY_DIR}/bin/profiles/${name})
endforeach()
add_custom_target(alos_profiles ALL DEPENDS ${copied})
add_dependencies(alos-policy alos_profiles)
