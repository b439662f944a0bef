import os
for n in range(5000):
    os.makedirs(f"many/{n % 50}", exist_ok=True)
    with open(f"many/{n % 50}/{n}", "w") as f:
        f.write(str(n))
os.rename("many", "thousands")
print(sum(int(open(f"{d}/{f}").read()) for d, _, fs in os.walk("thousands") for f in fs))
for d in range(25):
    for f in os.listdir(f"thousands/{d}"):
        os.unlink(f"thousands/{d}/{f}")
    os.rmdir(f"thousands/{d}")
print(sum(len(fs) for _, _, fs in os.walk("thousands")), len(os.listdir("thousands")))
