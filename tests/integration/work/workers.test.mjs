import assert from 'node:assert';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { fileURLToPath } from 'node:url';
import test from 'node:test';

const self = fileURLToPath(import.meta.url);
if (isMainThread) {
  test('four threads add into one shared array', async () => {
    const shared = new SharedArrayBuffer(4);
    await Promise.all([1, 2, 3, 4].map((n) => new Promise((resolve, reject) => {
      const worker = new Worker(self, { workerData: { shared, n } });
      worker.once('exit', resolve).once('error', reject);
    })));
    assert.strictEqual(new Int32Array(shared)[0], 10000);
  });
} else {
  for (let i = 0; i < 1000 * workerData.n; ++i) Atomics.add(new Int32Array(workerData.shared), 0, 1);
  parentPort.close();
}
