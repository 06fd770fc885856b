"""An example of each shape, for the OpenAPI document; a test fits each to its shape."""

from __future__ import annotations

from typing import Any

ID = "01983c5e-7a10-7d2e-9c54-4b1f0a6e2d11"
TOKEN = "6f0c2c2e-4a57-4d0e-8d0f-0b8f5a0b9c1d"  # noqa: S105 - of nothing

TASK: dict[str, Any] = {
    "id": ID,
    "type": "foo",
    "state": "scheduled",
    "execute_at": "2030-01-31T08:30:00.250000Z",
    "payload": {},
    "timeout_s": 5.0,
    "attempt": 0,
    "max_attempts": 1,
    "next_attempt_at": None,
    "created_at": "2030-01-31T08:00:00.123456Z",
    "started_at": None,
    "finished_at": None,
    "deleted_at": None,
    "lag_ms": None,
    "worker_id": None,
    "result": None,
    "error": None,
}
LEASE: dict[str, Any] = TASK | {
    "state": "running",
    "attempt": 1,
    "started_at": "2030-01-31T08:30:00.251000Z",
    "lag_ms": 1.0,
    "worker_id": "my-worker-1",
    "claim_token": TOKEN,
    "lease_expires_at": "2030-01-31T08:30:10.251000Z",
}

EXAMPLES: dict[str, Any] = {
    "NewTask": {"type": "foo", "execute_at": "2030-01-31T09:30:00.25+01:00"},
    "NewTasks": {"tasks": [{"type": "foo", "delay_s": 1}, {"type": "baz", "execute_at": "2030-01-31T08:30:00Z"}]},
    "CreatedTasks": {"ids": [ID], "count": 1},
    "Task": TASK,
    "CreatedTask": TASK | {"task_id": ID},
    "TaskPage": {"tasks": [TASK], "count": 1, "next_cursor": None},
    "ClaimNext": {"worker_id": "my-worker-1", "wait_s": 20},
    "ClaimOne": {"worker_id": "my-worker-1"},
    "Held": {"claim_token": TOKEN},
    "Completion": {"claim_token": TOKEN, "result": {"output": "done"}},
    "Failure": {"claim_token": TOKEN, "error": {"type": "handler_error", "message": "The printer is out of paper."}},
    "Lease": LEASE,
    "Leases": {"tasks": [LEASE]},
    "Heartbeat": LEASE | {"cancel_requested": False},
    "TypeList": {
        "types": [
            {
                "name": "foo",
                "payload_schema": {"type": "object"},
                "timeout_s": 5.0,
                "max_attempts": 1,
                "isolation": "process",
                "queue": "default",
                "external": False,
                "counts": {"scheduled": 3, "succeeded": 40},
            }
        ]
    },
    "Stats": {
        "measured_at": "2030-01-31T08:30:00.250000Z",
        "counted_up_to": 10000,
        "by_state": {"scheduled": 3, "succeeded": 10000, "failed": 2},
        "by_type": {"foo": {"scheduled": 3, "succeeded": 10000, "failed": 2}},
        "oldest_overdue_s": 0.0,
        "punctuality": {
            "window_s": 900.0,
            "tasks": 421,
            "since": "2030-01-31T08:15:03.100000Z",
            "p50_ms": 3.1,
            "p95_ms": 9.8,
            "p99_ms": 14.2,
            "by_type": {
                "foo": {
                    "tasks": 421,
                    "since": "2030-01-31T08:15:03.100000Z",
                    "p50_ms": 3.1,
                    "p95_ms": 9.8,
                    "p99_ms": 14.2,
                }
            },
            "early_total": 0,
        },
        "backlog": {"due": 0, "on_schedule": 3, "delivered": 0, "rq_queues": {"default": 0}},
        "redis": "ok",
        "workers": [
            {
                "id": "host.7.0c8f4c8e",
                "queue": "default",
                "slots": 16,
                "silent_s": 1.2,
                "trouble": None,
                "alive": True,
            },
        ],
        "counters": {
            "fenced": 0,
            "rescued": 0,
            "restored": 12,
            "handed_back": 4,
            "claims_lost": 0,
            "claims_unanswered": 0,
            "refused_jobs": 0,
        },
    },
    "Health": {"status": "alive"},
    "Readiness": {"status": "ready", "checks": {"postgres": "ok", "redis": "ok"}, "warnings": []},
}
