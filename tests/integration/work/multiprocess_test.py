import multiprocessing as mp, os, unittest
from multiprocessing import shared_memory

def square(n):
    return n * n

def fill(name, value):
    block = shared_memory.SharedMemory(name=name)
    block.buf[:4] = bytes([value] * 4)
    block.close()

def produce(queue, lock, total):
    for n in range(100):
        queue.put(n)
        with lock:
            total.value += n

class Processes(unittest.TestCase):
    def test_a_pool_maps(self):
        with mp.Pool(4) as pool:
            self.assertEqual(sum(pool.map(square, range(100))), 328350)

    def test_a_queue_and_a_lock_are_shared(self):
        queue, lock, total = mp.Queue(), mp.Lock(), mp.Value("i", 0, lock=False)
        makers = [mp.Process(target=produce, args=(queue, lock, total)) for _ in range(3)]
        [m.start() for m in makers]
        got = sum(queue.get(timeout=20) for _ in range(300))
        [m.join() for m in makers]
        self.assertEqual((got, total.value), (14850, 14850))

    def test_shared_memory_is_one(self):
        block = shared_memory.SharedMemory(create=True, size=4096)
        try:
            child = mp.Process(target=fill, args=(block.name, 7))
            child.start()
            child.join()
            self.assertEqual(bytes(block.buf[:4]), b"\7\7\7\7")
            self.assertTrue(os.path.exists("/dev/shm/" + block.name))
        finally:
            block.close()
            block.unlink()

    def test_spawned_interpreters(self):
        with mp.get_context("spawn").Pool(2) as pool:
            self.assertEqual(pool.map(square, [3, 4]), [9, 16])

if __name__ == "__main__":
    unittest.main()
