alos_library(alos_help SOURCES ${CMAKE_CURRENT_LIST_DIR}/help.cc HEADERS ${CMAKE_CURRENT_LIST_DIR}/help.h LINK alos_policy CLI11::CLI11)
