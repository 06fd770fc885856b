// Uses the types that openapi-typescript generates from the OpenAPI document: `node use.js URL`. Prints the answers.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

declare const process: { argv: string[] };

type Task = components["schemas"]["Task"];

const client = createClient<paths>({ baseUrl: process.argv[2] ?? "" });

const { data: created } = await client.POST("/tasks", {
  body: { type: "baz", execute_at: new Date("2100-01-01T00:00:00Z").toISOString(), payload: { any: [1, null] } },
});
if (!created) throw new Error("not created");

const { data: page } = await client.GET("/tasks", {
  params: { query: { state: ["scheduled"], type: ["baz", "a-type-that-was-removed"], q: created.id, limit: 10 } },
});
const listed: Task[] = page?.tasks ?? [];

const task_id = created.id;
const { data: shown } = await client.GET("/tasks/{task_id}", { params: { path: { task_id } } });
const { data: deleted } = await client.DELETE("/tasks/{task_id}", { params: { path: { task_id } } });
const { error: gone } = await client.GET("/tasks/{task_id}", { params: { path: { task_id } } });

const { data: batch } = await client.POST("/tasks/batch", { body: { tasks: [{ type: "outside", delay_s: 0 }] } });
const { data: claimed } = await client.POST("/tasks/claim", {
  body: { worker_id: "typescript", type: "outside", wait_s: 10 },
});
if (!claimed || !("claim_token" in claimed)) throw new Error("not claimed");
const { data: done } = await client.POST("/tasks/{task_id}/complete", {
  params: { path: { task_id: claimed.id } },
  body: { claim_token: claimed.claim_token, result: { pages: 3 } },
});

console.log(
  JSON.stringify({
    listed: listed.map((task) => task.id === created.id),
    attempts: shown?.max_attempts,
    deleted: deleted?.state,
    gone: gone?.type,
    claimed: batch?.ids.map((id) => id === claimed.id),
    done: done?.state,
    result: done?.result,
  }),
);
