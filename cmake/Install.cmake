# `cmake --install`: the programs lie together, as they look for each other beside themselves; the front alone is on the path.
include(GNUInstallDirs)
install(PROGRAMS
  $<TARGET_FILE:alos> $<TARGET_FILE:alos-supervisor> $<TARGET_FILE:alos-broker> $<TARGET_FILE:alos-launcher> $<TARGET_FILE:alos-init>
  $<TARGET_FILE:alos-policy> $<TARGET_FILE:alos-runs> $<TARGET_FILE:alos-workspace> $<TARGET_FILE:alos-audit>
  $<TARGET_FILE:alos-doctor>
  DESTINATION lib/alos)
install(PROGRAMS $<TARGET_FILE:alos-call> DESTINATION lib/alos/box/bin)
install(DIRECTORY ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/box/python/alos DESTINATION lib/alos/box/python PATTERN stamp EXCLUDE
        PATTERN __pycache__ EXCLUDE)
install(CODE "file(MAKE_DIRECTORY \$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR})
  file(CREATE_LINK ../lib/alos/alos \$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/alos SYMBOLIC)")
file(GLOB profiles CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/profiles/*.yaml)
install(FILES ${profiles} DESTINATION share/alos/profiles)
install(FILES README.md SECURITY.md docs/architecture.md docs/primitives.md docs/testing.md DESTINATION share/doc/alos)
# For tests of agents; alos.testing is part of the Python package above.
install(TARGETS alos_testing DESTINATION lib)
install(FILES shim/testing/alos/testing.h DESTINATION include/alos)
install(FILES shim/testing/alos-testing.sh DESTINATION share/alos)

find_program(HELP2MAN help2man)
if(HELP2MAN)
  install(CODE "execute_process(COMMAND ${PROJECT_SOURCE_DIR}/scripts/man ${CMAKE_BINARY_DIR}/bin
    \$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_MANDIR}/man1 COMMAND_ERROR_IS_FATAL ANY)")
else()
  message(STATUS "help2man is not there: no man pages are installed (Debian: apt-get install help2man)")
endif()
