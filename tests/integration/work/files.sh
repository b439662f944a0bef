# Host: old (read-only), kept, sub/x. The things that people's tools do to files.
set -eu
ln kept hard && echo more >> hard && cat kept && stat -c %h kept
ln -s ../kept sub/link && cat sub/link && readlink sub/link
mv sub/link moved-link && readlink moved-link
chmod 600 kept && stat -c %a hard
chmod 4755 sub/x 2>/dev/null || true; chmod 750 sub && stat -c %a sub
setfattr -n user.note -v "a value" kept && getfattr --only-values -n user.note hard && echo
setfattr -x user.note kept && getfattr -d kept | wc -l
touch -d 2001-02-03T04:05:06Z kept && stat -c %Y kept
cp -a sub sub2 && diff -r sub sub2 && rm -r sub2
echo replaced > new && mv -f new old && cat old
truncate -s 3 kept && cat kept && echo
mkfifo pipe && (echo through > pipe &) && cat pipe && rm pipe
find . -name x -newermt 1990-01-01 -exec sha256sum {} + | cut -c1-8
