#!/bin/sh
# An agent's tests in shell, as its user writes them.
set -eu
. "${ALOS_TESTING:-/usr/local/share/alos/alos-testing.sh}"

work=$(mktemp -d)
trap 'alos_box_end; rm -rf "$work"' EXIT
echo KEY=hunter2 >"$work/.env"
alos_box coding "$work"

fail() {
  echo "FAILED: $1" >&2
  [ -z "$alos_err" ] || echo "$alos_err" >&2
  exit 1
}

# The agent cannot read .env, and its asking for it is seen.
alos_box_run -- sh -c "cat .env; alos-call fs.read '$work/.env'"
[ "$alos_code" -eq 1 ] || fail "reading .env ended with $alos_code"
case $alos_out in *hunter2*) fail "it read .env" ;; esac
alos_denied secrets || fail "no denial by rule secrets"
alos_denied sources && fail "a denial by an allowing rule"

# A denied read fails the run.
alos_box_run --fail-on deny -- sh -c "alos-call fs.read '$work/.env' || true"
[ "$alos_code" -eq 1 ] || fail "--fail-on deny ended with $alos_code"

# It sleeps an hour and a half at once.
alos_box_run --clock virtual -- alos-call clock.sleep 5400000
[ "$alos_code" -eq 0 ] || fail "sleeping ended with $alos_code"

# A command times out.
alos_box_run -- alos-call shell.run --timeout-ms 200 -- sleep 60
case $alos_out in *'"timed_out":true'*) ;; *) fail "no timeout: $alos_out" ;; esac

# The push is rejected, and nobody has pushed; a deploy tool that is not even installed works.
cat >"$work/answers.json" <<'JSON'
[{"call": "shell.run", "argv": ["git", "push", "**"], "code": 1, "err": "rejected\n"},
 {"call": "shell.run", "argv": ["/usr/bin/acme-deploy", "staging", "*"], "code": 0, "out": "deployed\n", "takes": "40m"}]
JSON
alos_box_run --script "$work/answers.json" -- alos-call shell.run --raw -- git push origin
[ "$alos_code" -eq 1 ] || fail "the push ended with $alos_code"
case $alos_err in *rejected) ;; *) fail "the push said: $alos_err" ;; esac
alos_box_run --clock virtual --script "$work/answers.json" -- \
  alos-call shell.run --raw --timeout-ms 3600000 -- acme-deploy staging api
[ "$alos_out" = deployed ] || fail "the deploy said: $alos_out"

# A run that is refused denied nothing, and what the one before it denied is not its own.
alos_box_run -- sh -c "alos-call fs.read '$work/.env' || true"
alos_denied secrets || fail "no denial by rule secrets"
alos_box_run --no-such-option -- true 2>/dev/null
[ "$alos_code" -eq 125 ] || fail "an unknown option ended with $alos_code"
known=0
alos_denied secrets 2>/dev/null || known=$?
[ "$known" -eq 2 ] || fail "of a run that was refused it said $known"

# Writes land in the layer, and undo drops them.
alos_box_run -- sh -c 'echo work > result.txt'
[ "$(alos_written)" = "A result.txt" ] || fail "written: $(alos_written)"
alos_box_run -- sh -c 'mv result.txt "a result"'
[ "$(alos_written)" = "A a result" ] || fail "written: $(alos_written)"
[ ! -e "$work/result.txt" ] || fail "it was written to the workspace itself"
alos_undo
[ -z "$(alos_written)" ] || fail "not undone: $(alos_written)"
echo "all as expected"
