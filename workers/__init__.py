"""Background processes: promoter, sweeper, worker and housekeeping."""

from app import without_rich as _first  # noqa: F401
