// A worker process of a JavaScript peer: its adapter's `work` runs until the process is killed.
import { work } from "./adapter.mjs";

await work();
