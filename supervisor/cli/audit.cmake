alos_program(alos-audit SOURCES audit_main.cc audit_show.cc audit_time.cc LINK alos_audit alos_help nlohmann_json::nlohmann_json)
