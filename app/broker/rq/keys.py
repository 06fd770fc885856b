"""Names and types of the keys of RQ and rq-scheduler, without our prefix."""

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
    """Return the key of the list of waiting jobs."""
    return f"rq:queue:{queue}"


def workers_key(queue: str) -> str:
    """Return the key of the set of a queue's workers."""
    return f"rq:workers:{queue}"


def job_key(job_id: str) -> str:
    """Return the key of the hash of a job."""
    return f"rq:job:{job_id}"


def results_key(job_id: str) -> str:
    """Return the key of the stream of a job's results."""
    return f"rq:results:{job_id}"


def key_types(queue: str) -> dict[str, str]:
    """Return the types of the keys of one queue and of all queues together, without those of single jobs."""
    return {key.format(queue=queue): kind for key, kind in KEY_TYPES.items()}
