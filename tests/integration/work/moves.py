# Directory renames on a tree of which the host has lower/, deep/, full/, other/, empty/. One line a check.
import ctypes, errno, os, shutil, subprocess

def says(name, call):
    try:
        call()
        print(name, "ok")
    except OSError as error:
        print(name, errno.errorcode[error.errno])

def tree(top):
    out = []
    for base, dirs, files in os.walk(top):
        dirs.sort()
        out += [os.path.join(base, f) + "=" + open(os.path.join(base, f)).read().strip() for f in sorted(files)]
    return " ".join(out)

libc = ctypes.CDLL(None, use_errno=True)
NOREPLACE, EXCHANGE = 1, 2

def renameat2(a, b, flags):
    if libc.renameat2(-100, a.encode(), -100, b.encode(), flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))

def attributes(path):
    found = os.stat(path)
    return oct(found.st_mode), found.st_mtime_ns

before = attributes("lower")
subprocess.run(["mv", "lower", "moved"], check=True)
print("mv", os.path.exists("lower"), tree("moved"), before, attributes("moved"))
says("deep", lambda: os.rename("deep/1/2", "deep/two"))
print("deep", tree("deep"))
says("over empty", lambda: os.rename("full", "empty"))
print("over empty", os.path.exists("full"), tree("empty"))
says("over full", lambda: os.rename("empty", "other"))
print("over full", tree("empty"), tree("other"))
says("into itself", lambda: os.rename("other", "other/sub"))
says("over a file", lambda: os.rename("other", "file"))
says("a file over it", lambda: os.rename("file", "other"))
says("noreplace, taken", lambda: renameat2("other", "empty", NOREPLACE))
says("noreplace, free", lambda: renameat2("other", "free", NOREPLACE))
print("noreplace", os.path.exists("other"), tree("free"))
says("missing", lambda: os.rename("nothing", "x"))
says("missing parent", lambda: os.rename("free", "no/such/parent"))
says("to itself", lambda: os.rename("free", "free"))
says("trailing slash", lambda: os.rename("free/", "slash/"))
here = os.open("deep", os.O_PATH)
says("by descriptor", lambda: os.rename("../slash", "inside", src_dir_fd=here, dst_dir_fd=here))
print("by descriptor", tree("deep/inside"))
os.makedirs("up/1"), os.makedirs("up2")
says("exchange, both new", lambda: renameat2("up", "up2", EXCHANGE))
print("exchange", os.path.exists("up2/1"))
open("a", "w").write("A"), open("b", "w").write("B")
says("exchange files", lambda: renameat2("a", "b", EXCHANGE))
print("exchange files", open("a").read() + open("b").read())
shutil.move("deep", "moved/deep")
print("shutil", tree("moved/deep"))
print("left", sorted(os.listdir(".")))
