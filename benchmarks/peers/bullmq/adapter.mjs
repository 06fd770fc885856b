// BullMQ over Redis: jobs with a delay.
import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import { run } from "./record.mjs";

const QUEUE = "run";
const connection = () => new Redis(process.env.PEER_STORE, { maxRetriesPerRequest: null });
let queue;

const opened = () => (queue ??= new Queue(QUEUE, { connection: connection() }));

// The time of creation is given, too: the delay is counted from it.
function options(atMs) {
  const timestamp = Date.now();
  return { timestamp, delay: atMs - timestamp, removeOnComplete: true, removeOnFail: true };
}

export async function create(number, atMs) {
  await opened().add("run", { number }, options(atMs));
}

export async function createMany(numbers, atMs) {
  await opened().addBulk(numbers.map((number) => ({ name: "run", data: { number }, opts: options(atMs) })));
}

export async function close() {
  await queue?.close();
}

export async function work() {
  new Worker(QUEUE, (job) => run(job.data.number), { connection: connection(), concurrency: 100 });
}
