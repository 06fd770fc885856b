// graphile-worker: jobs with run_at.
import { makeWorkerUtils, run as runWorker } from "graphile-worker";
import { run } from "./record.mjs";

const connectionString = process.env.PEER_STORE;
let utils;

const started = async () => (utils ??= await makeWorkerUtils({ connectionString }));

export async function setUp() {
  await (await started()).migrate();
}

export async function create(number, atMs) {
  await (await started()).addJob("run", { number }, { runAt: new Date(atMs) });
}

export async function createMany(numbers, atMs) {
  const runAt = new Date(atMs);
  await (await started()).addJobs(numbers.map((number) => ({ identifier: "run", payload: { number }, runAt })));
}

export async function close() {
  await utils?.release();
}

export async function work() {
  await runWorker({
    taskList: { run: ({ number }) => run(number) },
    preset: {
      worker: {
        connectionString,
        concurrentJobs: 24,
        maxPoolSize: 25,
        pollInterval: 100,
        localQueue: { size: 500 },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    },
  });
}
