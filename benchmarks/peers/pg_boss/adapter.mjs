// pg-boss: jobs with startAfter.
import PgBoss from "pg-boss";
import { run } from "./record.mjs";

const QUEUE = "run";
let boss;

async function started() {
  if (!boss) {
    boss = new PgBoss(process.env.PEER_STORE);
    boss.on("error", console.error);
    await boss.start();
  }
  return boss;
}

export async function setUp() {
  await (await started()).createQueue(QUEUE);
}

export async function create(number, atMs) {
  await (await started()).send(QUEUE, { number }, { startAfter: new Date(atMs) });
}

export async function createMany(numbers, atMs) {
  const startAfter = new Date(atMs).toISOString();
  await (await started()).insert(numbers.map((number) => ({ name: QUEUE, data: { number }, startAfter })));
}

export async function close() {
  await boss?.stop({ graceful: false });
}

export async function work() {
  const options = { batchSize: 5000, pollingIntervalSeconds: 0.5, priority: false };
  await (await started()).work(QUEUE, options, (jobs) => Promise.all(jobs.map((job) => run(job.data.number))));
}
