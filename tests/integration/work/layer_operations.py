# layer_operations.py SEED COUNT: that many random operations on the tree in the working directory; the same for one seed
#                     0 0: none. Then the manifest: one line for every path, of everything that a layer has to carry.
# layer_operations.py exact: the manifest with times, owners and link counts, for a tree that nobody may have touched.
import hashlib, os, random, stat, sys

NAMES = ["a", "b", "c.txt", "d", "e.c", "sp ace", "\u00fc"]
exact = sys.argv[1] == "exact"
rng = random.Random(0 if exact else int(sys.argv[1]))


def walk():
    files, dirs = [], ["."]
    for base, below, names in os.walk("."):
        below.sort()
        for name in sorted(below + names):
            path = os.path.join(base, name)
            (dirs if os.path.isdir(path) and not os.path.islink(path) else files).append(path)
    return files, dirs


def fresh(dirs):
    return os.path.join(rng.choice(dirs), rng.choice(NAMES))


def put(path, how):
    with open(path, how) as f:
        f.write(rng.randbytes(rng.choice([0, 1, 100, 5000, 70000])))


def operate():
    files, dirs = walk()
    some = rng.choice(files or ["none"])
    tree = rng.choice(dirs[1:] or ["none"])
    {
        "create": lambda: put(fresh(dirs), "wb"),
        "overwrite": lambda: put(some, "r+b"),
        "append": lambda: put(some, "ab"),
        "truncate": lambda: os.truncate(some, rng.choice([0, 3, 9000])),
        "rename file": lambda: os.rename(some, fresh(dirs)),
        "rename dir": lambda: os.rename(tree, fresh(dirs)),
        "delete": lambda: os.unlink(some),
        "delete tree": lambda: remove(tree),
        "mkdir": lambda: os.mkdir(fresh(dirs)),
        "symlink": lambda: os.symlink(rng.choice(NAMES), fresh(dirs)),
        "hard link": lambda: os.link(some, fresh(dirs), follow_symlinks=False),
        "chmod": lambda: None if os.path.islink(some) else os.chmod(some, rng.choice([0o600, 0o644, 0o755, 0o444, 0o640])),
        "chmod dir": lambda: os.chmod(tree, rng.choice([0o755, 0o700, 0o750])),
    }[
        rng.choices(
            ["create", "overwrite", "append", "truncate", "rename file", "rename dir", "delete", "delete tree", "mkdir",
             "symlink", "hard link", "chmod", "chmod dir"],
            [8, 3, 3, 3, 6, 8, 4, 1, 5, 2, 2, 4, 3])[0]
    ]()


def remove(tree):
    for base, below, names in os.walk(tree, topdown=False):
        for name in names:
            os.unlink(os.path.join(base, name))
        for name in below:
            path = os.path.join(base, name)
            os.unlink(path) if os.path.islink(path) else os.rmdir(path)
    os.rmdir(tree)


def line(path):
    st = os.lstat(path)
    words = [stat.filemode(st.st_mode)]
    if stat.S_ISLNK(st.st_mode):
        words.append(os.readlink(path))
    elif stat.S_ISREG(st.st_mode):
        words.append(hashlib.sha256(open(path, "rb").read()).hexdigest())
    if exact:
        words += [str(n) for n in (st.st_mtime_ns, st.st_uid, st.st_gid, st.st_nlink, st.st_ino)]
    return " ".join([path, *words])


if not exact:
    done = 0
    while done < int(sys.argv[2]):
        try:
            operate()
            done += 1
        except OSError:  # as the tree happens to be
            pass
files, dirs = walk()
print("\n".join(sorted(line(path) for path in files + dirs[1:])))
