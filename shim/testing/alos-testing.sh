# Boxes for tests in shell, to be sourced: `. alos-testing.sh` (POSIX sh). Runs the real `alos run`, with state of its own.
#
#   alos_box coding "$directory"
#   alos_box_run -- alos-call fs.read "$directory/.env"
#   alos_denied secrets || echo "it was let in"
#   alos_box_end
#
# alos_box POLICY [WORKSPACE]        begins one; POLICY as for `alos run`, WORKSPACE a directory
# alos_box_run [OPTION]... -- CMD    options of `alos run`; sets alos_code, alos_out and alos_err
# alos_denied RULE                   whether the broker refused something in the last run by this rule ("" for any); 2, and
#                                    said on standard error, where that is not known
# alos_written                       what is pending in the layer, "A path" a line; names as in JSON strings; 2, and said on
#                                    standard error, where that is not known
# alos_undo                          drops it
# alos_box_end                       and all of it; to be called by a trap where a test may end early
#
# What alos itself cannot do is on standard error, and alos_code is 125.

alos_box() {
  alos_box_policy=$1
  alos_box_workspace=${2:-}
  alos_box_base=$(mktemp -d "${TMPDIR:-/tmp}/alos-box-XXXXXX") || return 1
  chmod 711 "$alos_box_base" # as root others than root must be able to pass through
  # Limits that nothing here holds are given up. (The doctor ends with 1 where anything is missing.)
  alos_box_degrade=$({ alos doctor --json || true; } | tr -d ' \n' | sed -n 's/.*"degrade":\[\([^]]*\)\].*/\1/p' | tr -d '"')
}

alos_box_call() {
  ALOS_STATE_DIR=$alos_box_base/alos alos "$@"
}

alos_box_run() {
  [ -z "$alos_box_workspace" ] || set -- --workspace "$alos_box_workspace" "$@"
  [ -z "$alos_box_degrade" ] || set -- --degrade "$alos_box_degrade" "$@"
  alos_code=0
  rm -f "$alos_box_base/events" # of the run before
  alos_box_call run --policy "$alos_box_policy" --events "$alos_box_base/events" "$@" \
    >"$alos_box_base/out" 2>"$alos_box_base/err" </dev/null || alos_code=$?
  # shellcheck disable=SC2034 # for the caller
  alos_out=$(cat "$alos_box_base/out") alos_err=$(cat "$alos_box_base/err")
  [ "$alos_code" -ne 125 ] || cat "$alos_box_base/err" >&2
}

alos_denied() {
  # The last line is the end, each line is whole, and none says that not all was told. One program and no pipe: what is
  # said may be long, and the caller's shell may have pipefail.
  alos_rule="\"rule\":\"${1:-}${1:+\"}" LC_ALL=C awk '
    /^$/ { next }
    { last = $0 }
    !/^[{]"v":1,"event":.*[}]$/ || /.[{]"v":1,"event":/ || /"(calls_unknown|dropped)":(true|[0-9]+)/ { unknown = 1 }
    index($0, "{\"v\":1,\"event\":\"denied\"") == 1 && index($0, ENVIRON["alos_rule"]) { found = 1 }
    END { exit unknown || last !~ /^[{]"v":1,"event":"end",/ ? 2 : !found }' "$alos_box_base/events" 2>/dev/null && return 0
  [ $? -eq 1 ] && return 1
  echo "alos_denied: what was denied is not known" >&2
  return 2
}

alos_written() {
  alos_status=0
  # shellcheck disable=SC2046 # words
  alos_pending=$(alos_box_call diff --json $([ -z "$alos_box_workspace" ] || echo --workspace) ${alos_box_workspace:+"$alos_box_workspace"}) ||
    alos_status=$?
  [ "$alos_status" -le 1 ] || return 2 # 1: something is pending
  printf '%s\n' "$alos_pending" |
    sed -n '/^      "kind": /{s/.*: "\(.\)",$/\1/;h;}; /^      "path": /{s/^      "path": "\(.*\)",$/\1/;H;g;s/\n/ /;p;}'
}

alos_undo() {
  alos_box_call undo --yes --workspace "${alos_box_workspace:-$PWD}" >/dev/null
}

alos_box_end() {
  [ -n "${alos_box_base:-}" ] || return 0
  chmod -R u+rwX "$alos_box_base" 2>/dev/null
  rm -rf "$alos_box_base"
  alos_box_base=
}
