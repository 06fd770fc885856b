// The task that every JavaScript peer runs: writes down that it began and, if it takes time, that it ended.
import { openSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const TASK_MS = Number(process.env.PEER_TASK_S ?? 0) * 1000;
let file;

/** Task `number`; takes no time unless PEER_TASK_S says so. */
export async function run(number) {
  note(number);
  if (TASK_MS) {
    await sleep(TASK_MS);
    note(~number);
  }
}

// As record.py: the number, or ~number when it ended; nanoseconds since 1970, exact to the microsecond.
function note(number) {
  const microseconds = Math.round((performance.timeOrigin + performance.now()) * 1000);
  file ??= openSync(`${process.env.PEER_RECORDS}/${process.pid}.records`, "a");
  const record = Buffer.allocUnsafe(16);
  record.writeBigInt64LE(BigInt(number), 0);
  record.writeBigInt64LE(BigInt(microseconds) * 1000n, 8);
  writeSync(file, record);
}
