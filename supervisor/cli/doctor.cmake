alos_library(alos_doctor PRECOMPILED
  SOURCES doctor_report.cc doctor_print.cc
  HEADERS doctor_report.h doctor_print.h
  LINK alos_probe nlohmann_json::nlohmann_json)
alos_program(alos-doctor SOURCES doctor_main.cc LINK alos_doctor alos_help alos_policy_cli)
