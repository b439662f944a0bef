#!/bin/sh
# run.sh MODULE ARGUMENT... : python3 -m MODULE, where that is installed; else it says so and is skipped (77), which
# ALOS_TESTS_MUST_RUN=1 makes a failure.
set -eu
if ! /usr/bin/python3 -c "import $1, google.protobuf" 2>/dev/null; then
  echo "skipped: python3 has no $1 or no protobuf (Debian: apt-get install python3-pytest python3-protobuf mypy)"
  [ -z "${ALOS_TESTS_MUST_RUN:-}" ] || exit 1
  exit 77
fi
exec /usr/bin/python3 -m "$@"
