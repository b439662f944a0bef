#!/bin/bash
# What a run denied is found however much that is, in a shell of any options: more than a pipe holds, here.
set -euo pipefail
. "$ALOS_TESTING"
work=$(mktemp -d)
trap 'alos_box_end; rm -rf "$work"' EXIT
echo KEY=1 >"$work/.env"
alos_box coding "$work"
alos_box_run -- python3 -c "
import alos
for name in [f'/srv/{\"x\" * 200}{i}' for i in range(600)] + ['$work/.env'] + [f'/opt/{\"x\" * 200}{i}' for i in range(600)]:
    try: alos.fs.read(name)
    except alos.Denied: pass
"
[ "$(wc -c <"$alos_box_base/events")" -gt 131072 ]
alos_denied default
alos_denied secrets
known=0
alos_denied nothing || known=$?
[ "$known" -eq 1 ]
alos_box_run -- sh -c 'echo work > result.txt'
written=$(alos_written)
[ "$written" = "A result.txt" ]
layer=$(echo "$alos_box_base"/alos/state/layers/*/layer.json) # not all there may be searched by whoever runs this
cp "$layer" "$alos_box_base/layer.whole"
echo '{' >"$layer"
(
  set +o pipefail
  alos_written >/dev/null 2>&1
) || known=$?
[ "$known" -eq 2 ]
mv "$alos_box_base/layer.whole" "$layer"
alos_undo
alos_box_run -- sh -c "alos-call fs.read '$work/.env' || true"
alos_denied secrets
cp "$alos_box_base/events" "$alos_box_base/events.whole"
sed -i 'N;s/\n//;P;D' "$alos_box_base/events" # two lines as one
known=0
alos_denied secrets 2>/dev/null || known=$?
[ "$known" -eq 2 ]
mv "$alos_box_base/events.whole" "$alos_box_base/events"
alos_denied secrets
known=0
sed -i '2s/..$//' "$alos_box_base/events"
alos_denied secrets 2>/dev/null || known=$?
[ "$known" -eq 2 ]
