# big is 64 MiB of the host's: edited in the middle, at the end, mapped, read back whole.
import hashlib, mmap, os
with open("big", "r+b") as f:
    f.seek(32 << 20)
    f.write(b"middle")
    f.seek(0, os.SEEK_END)
    f.write(b"end")
    f.flush()
    with mmap.mmap(f.fileno(), 0) as m:
        m[0:5] = b"first"
        m.flush()
    os.fsync(f.fileno())
print(os.path.getsize("big"), hashlib.sha256(open("big", "rb").read()).hexdigest())
