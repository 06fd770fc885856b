// As client.py, for a JavaScript peer's `adapter.mjs`: async create, createMany, setUp; `close` ends its connections.
import { createInterface } from "node:readline";
import * as adapter from "./adapter.mjs";

const PER_CALL = 1000;

const orders = {
  async set_up() {
    await adapter.setUp?.();
    return {};
  },
  async each({ first, at_ms }) {
    const began = performance.now();
    for (const [index, instant] of at_ms.entries()) await adapter.create(first + index, instant);
    return { created: at_ms.length, seconds: (performance.now() - began) / 1000 };
  },
  async during({ first, at_ms, seconds }) {
    const began = performance.now();
    let number = first;
    for (; performance.now() - began < seconds * 1000; number++) await adapter.create(number, at_ms);
    return { created: number - first, seconds: (performance.now() - began) / 1000 };
  },
  async bulk({ first, at_ms, count }) {
    const began = performance.now();
    for (let start = first; start < first + count; start += PER_CALL) {
      const length = Math.min(PER_CALL, first + count - start);
      await adapter.createMany(Array.from({ length }, (_, index) => start + index), at_ms);
    }
    return { created: count, seconds: (performance.now() - began) / 1000 };
  },
};

const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
answer({ bulk: "createMany" in adapter });
for await (const line of createInterface({ input: process.stdin })) {
  const { do: name, ...order } = JSON.parse(line);
  answer(await orders[name](order));
}
await adapter.close();
process.exit(0);
