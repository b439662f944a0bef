# In a repository that the host made: src/old/deep/{a,b}.c, one commit on main.
set -eu
git config user.email agent@example.com && git config user.name agent
echo change >> src/old/deep/a.c
git commit -qam "second"
git clone -q . /tmp/clone
test "$(git -C /tmp/clone rev-parse HEAD)" = "$(git rev-parse HEAD)"
git clone -q "file://$PWD" copy && git -C copy log --oneline | wc -l && rm -rf copy

# A directory that only the host's tree has, then one that the layer made, then back over the old name.
git mv src/old src/new
test ! -e src/old && cat src/new/deep/a.c
git commit -qm "moved"
mkdir made && echo m > made/m && git add made && git mv made src/made && git commit -qm "made"
git mv src/new src/old && git commit -qm "and back"
git log --follow --format=%s -- src/old/deep/a.c

git worktree add -q ../$(basename "$PWD")/tree -b topic HEAD~3
( cd tree && echo topic > topic.txt && git add topic.txt && git commit -qm topic && git rebase -q main && git log --format=%s | head -2 )
git merge -q topic && git worktree remove tree && git stash list | wc -l
git gc -q && git fsck --no-progress --strict
git status --porcelain
