alos_program(alos-workspace
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/workspace_main.cc ${CMAKE_CURRENT_LIST_DIR}/workspace_show.cc
  LINK alos_workspace alos_action alos_terminal alos_help)
