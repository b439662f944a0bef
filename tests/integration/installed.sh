#!/bin/sh
# What `cmake --install` puts somewhere works from there, and every command has a page that a reader of man pages takes.
set -eu
build=$1
place=$(mktemp -d /var/tmp/alos-installed-XXXXXX)
trap 'rm -rf "$place"' EXIT
chmod 755 "$place"
cmake --install "$build" --prefix "$place/usr" >/dev/null
export ALOS_STATE_DIR="$place/state"

"$place/usr/bin/alos" policy check strict base coding >/dev/null
said=$(cd "$place" && "$place/usr/bin/alos" run --degrade memory,cpus,cpu-time -- /usr/bin/id -un)
[ "$said" = agent ] || { echo "in the box, id says: $said"; exit 1; }

"$place/usr/lib/alos/box/bin/alos-call" --list | grep -q '^  fs.read ' || { echo "alos-call does not list fs.read"; exit 1; }
PYTHONPATH="$place/usr/lib/alos/box/python" /usr/bin/python3 -c 'import alos; alos.fs.read'

# Tests of agents, by what was installed for them.
said=$(PYTHONPATH="$place/usr/lib/alos/box/python" PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -c '
from alos.testing import Box
with Box("strict") as box: print(box.run(["id", "-un"]).out.strip())')
[ "$said" = agent ] || { echo "alos.testing says: $said"; exit 1; }
[ -s "$place/usr/include/alos/testing.h" ] && [ -s "$place/usr/lib/libalos_testing.a" ] || { echo "no alos/testing.h, or no library"; exit 1; }
PATH="$place/usr/bin:$PATH" sh -euc '. "$1"; alos_box strict; alos_box_run -- true; alos_box_end; exit "$alos_code"' sh \
  "$place/usr/share/alos/alos-testing.sh"

pages="$place/usr/share/man/man1"
for command in $("$place/usr/bin/alos" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
  [ -s "$pages/alos-$command.1" ] || { echo "no page for 'alos $command'"; exit 1; }
done
# The date of help2man is a month, which mandoc takes as it stands and says so.
if mandoc -Tlint -Wwarning "$pages"/*.1 | grep -v 'cannot parse date'; then exit 1; fi
mandoc -Tascii "$pages/alos-run.1" | col -b | grep -q -- '--apply none|safe|ask' || { echo "alos-run(1) lacks --apply"; exit 1; }
