"""RQ's jobs, queues and workers for the RQ dashboard, safe to read with any content."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError
from rq import Queue, Worker
from rq.job import Job, JobStatus

from app.broker.rq.jobs import readable
from app.broker.rq.keys import results_key

if TYPE_CHECKING:
    from rq.results import Result

MAX_PACKED_RESULT_BYTES = 1 << 16  # compressed; may unpack to a thousand times as much


class ShownJob(Job):
    """An RQ job of which only valid fields are read."""

    def restore(self, raw_data: Mapping[Any, Any]) -> None:
        """Set the fields from the readable part of a job's hash."""
        super().restore(readable(raw_data))

    def get_status(self, refresh: bool = True) -> JobStatus:  # noqa: ARG002, FBT001, FBT002  # RQ's signature
        """Return the status that was read first; the value in Redis may be invalid by now."""
        return super().get_status(refresh=False)

    def get_meta(self, refresh: bool = True) -> dict[str, Any]:  # noqa: ARG002, FBT001, FBT002  # RQ's signature
        """Return an empty dictionary, because our jobs have no meta data."""
        return {}

    def latest_result(self, timeout: int = 0) -> Result | None:  # noqa: ARG002  # RQ's signature
        """Return the latest result; None if it is invalid or too large."""
        try:
            entries: Any = self.connection.xrevrange(results_key(self.id), count=1)
            if any(len(value) > MAX_PACKED_RESULT_BYTES for _, fields in entries for value in fields.values()):
                return None
            return super().latest_result()
        except (ResponseError, ValueError, TypeError, KeyError, zlib.error):
            return None


class ShownQueue(Queue):
    """An RQ queue of such jobs."""

    job_class = ShownJob


class ShownWorker(Worker):
    """An RQ worker of such queues."""

    job_class = ShownJob
    queue_class = ShownQueue
