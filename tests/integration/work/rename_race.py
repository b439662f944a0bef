# Two processes rename the same host directory, fifty times each way; exactly one may win each round, and nothing is lost.
import multiprocessing, os

def racer(number, gate, wins):
    for turn in range(rounds):
        gate.wait()
        try:
            os.rename(f"tree{turn}", f"to-{turn}-{number}")
            wins[number] += 1
        except FileNotFoundError:
            pass
        gate.wait()

if __name__ == "__main__":
    rounds = len([d for d in os.listdir(".") if d.startswith("tree")])
    gate, wins = multiprocessing.Barrier(2), multiprocessing.Array("i", 2)
    racers = [multiprocessing.Process(target=racer, args=(n, gate, wins)) for n in range(2)]
    [r.start() for r in racers]
    [r.join() for r in racers]
    whole = sum(sorted(os.listdir(f"{d}/sub")) == ["f0", "f1", "f2"] for d in os.listdir(".") if d.startswith("to-"))
    print(rounds, sum(wins), whole, len([d for d in os.listdir(".") if d.startswith("tree")]))
    print([d for d in os.listdir(".") if d.startswith(".rename")])
