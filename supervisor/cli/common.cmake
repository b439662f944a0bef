alos_library(alos_help 
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/help.cc ${CMAKE_CURRENT_LIST_DIR}/main.cc
  HEADERS ${CMAKE_CURRENT_LIST_DIR}/help.h ${CMAKE_CURRENT_LIST_DIR}/main.h
  LINK alos_policy CLI11::CLI11)
