# alos_library(NAME SOURCES... ) : a room's static library. Its headers compile alone: by being what a source includes
# first, or by the target all_verify_interface_header_sets. PRECOMPILED: its sources begin with what alos_with() gives.
set(CMAKE_VERIFY_INTERFACE_HEADER_SETS ON)
function(alos_library name)
  cmake_parse_arguments(L "PRECOMPILED" "" "SOURCES;HEADERS;LINK" ${ARGN})
  add_library(${name} STATIC ${L_SOURCES})
  set(compiled "")
  if(NOT L_PRECOMPILED)
    foreach(source ${L_SOURCES})
      file(STRINGS ${source} first REGEX "^#include" LIMIT_COUNT 1)
      string(REGEX REPLACE "^#include [\"<](.*)[\">].*" "${PROJECT_SOURCE_DIR}/\\1" first "${first}")
      list(APPEND compiled ${first})
    endforeach()
  endif()
  list(TRANSFORM L_HEADERS REPLACE "^([^/$].*)" "${CMAKE_CURRENT_SOURCE_DIR}/\\1")
  set(others ${L_HEADERS})
  list(REMOVE_ITEM others ${compiled})
  list(REMOVE_ITEM L_HEADERS ${others})
  target_sources(${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${L_HEADERS}
                                FILE_SET others TYPE HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${others})
  set_target_properties(${name} PROPERTIES INTERFACE_HEADER_SETS_TO_VERIFY others)
  target_link_libraries(${name} PUBLIC alos_options ${L_LINK})
endfunction()

# alos_program(NAME [STATIC] SOURCES... LINK...) : an executable in bin/. STATIC programs stand on the launch path: a
# dynamic one linked to every library takes longer before main than a whole launch may.
function(alos_program name)
  cmake_parse_arguments(P "STATIC" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${P_SOURCES})
  target_link_libraries(${name} PRIVATE alos_options ${P_LINK})
  if(P_STATIC AND ALOS_STATIC)
    target_link_options(${name} PRIVATE -static-pie)
  else()
    target_link_options(${name} PRIVATE -pie)
  endif()
endfunction()

# alos_common_headers(NAME LINK... HEADERS...) : what nearly every file of a folder includes, compiled once, half of what
# such a file takes; the folder's targets take it by alos_with(TARGET NAME). Not for a release or a fuzzer, where every
# file has to include what it uses.
function(alos_common_headers name)
  cmake_parse_arguments(H "" "" "LINK;HEADERS" ${ARGN})
  if(ALOS_FUZZ OR CMAKE_BUILD_TYPE STREQUAL "Release")
    return()
  endif()
  file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/nothing.cc "")
  add_library(${name} OBJECT ${CMAKE_CURRENT_BINARY_DIR}/nothing.cc)
  target_compile_options(${name} PRIVATE -fPIE)  # as what uses it (alos_with)
  target_link_libraries(${name} PRIVATE alos_options ${H_LINK})
  target_precompile_headers(${name} PRIVATE ${H_HEADERS})
endfunction()

function(alos_with target name)
  if(NOT TARGET ${name})
    return()
  endif()
  target_compile_options(${target} PRIVATE -fPIE)  # libraries are -fPIC otherwise, which compiled headers must agree in
  target_precompile_headers(${target} REUSE_FROM ${name})
endfunction()
