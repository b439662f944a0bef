# alos_library(NAME SOURCES... ) : a room's static library; its headers are compiled alone by the target
# all_verify_interface_header_sets.
set(CMAKE_VERIFY_INTERFACE_HEADER_SETS ON)
function(alos_library name)
  cmake_parse_arguments(L "" "" "SOURCES;HEADERS;LINK" ${ARGN})
  add_library(${name} STATIC ${L_SOURCES})
  target_sources(${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${L_HEADERS})
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
