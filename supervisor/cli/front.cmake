alos_program(alos STATIC SOURCES front_main.cc run_command.cc LINK alos_host alos_help)
alos_program(alos-supervisor STATIC SOURCES ../host/supervisor_main.cc LINK alos_host)
target_compile_definitions(alos PRIVATE ALOS_VERSION="${PROJECT_VERSION}")
