alos_program(alos-runs SOURCES runs_main.cc LINK alos_host alos_help)
