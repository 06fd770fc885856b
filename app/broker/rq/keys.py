"""The names of RQ's and rq-scheduler's keys, without our prefix, and the types that they have."""

from __future__ import annotations

KEY_TYPES = {
    "rq:queues": "set",
    "rq:workers": "set",
    "rq:suspended": "string",
    "rq:clean_registries:{queue}": "string",
    "rq:queue:{queue}": "list",
    "rq:queue:{queue}:intermediate": "list",
    "rq:workers:{queue}": "set",
    "rq:wip:{queue}": "zset",
    "rq:finished:{queue}": "zset",
    "rq:failed:{queue}": "zset",
    "rq:deferred:{queue}": "zset",
    "rq:scheduler:scheduled_jobs": "zset",
    "rq:scheduler:scheduler_lock": "string",
}


def queue_key(queue: str) -> str:
    """Name the list of jobs that wait."""
    return f"rq:queue:{queue}"


def workers_key(queue: str) -> str:
    """Name the set of a queue's workers."""
    return f"rq:workers:{queue}"


def job_key(job_id: str) -> str:
    """Name the hash of a job."""
    return f"rq:job:{job_id}"


def results_key(job_id: str) -> str:
    """Name the stream of a job's results."""
    return f"rq:results:{job_id}"


def key_types(queue: str) -> dict[str, str]:
    """Return the type of each key that holds more than one job or worker, for one queue."""
    return {key.format(queue=queue): kind for key, kind in KEY_TYPES.items()}
