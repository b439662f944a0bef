#!/bin/sh
# install.sh DIRECTORY: the clients that agents_test runs, from npm, unless they are there.
set -eu
for program in claude codex deno; do
  [ -x "$1/node_modules/.bin/$program" ] && continue
  npm install --prefix "$1" --no-fund --no-audit --loglevel=error @anthropic-ai/claude-code @openai/codex deno
  break
done
chmod -R go+rX "$1"
