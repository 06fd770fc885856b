"""The command `doctor`: reads the settings, runs all checks, prints a line for each."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from importlib.machinery import PathFinder
from itertools import accumulate
from typing import TYPE_CHECKING

import click
from redis.exceptions import RedisError

from app.broker.contents import Contents
from app.broker.due_set import DueSet
from app.broker.known_types import get_types
from app.broker.processes import silence_s
from app.cli.doctor.drift import check_drift
from app.cli.doctor.finding import Finding, Level, fail, ok, warn
from app.cli.doctor.processes import check_processes
from app.cli.doctor.servers import check_postgres, check_redis, refused_by_redis
from app.cli.doctor.tasks import check_late, check_tasks
from app.cli.options import json_option, run_addresses
from app.cli.output import as_json as to_json
from app.config import Settings, read_settings
from app.connections import connect_postgres, connect_redis
from app.errors import InvalidSetting, LedgerUnavailable
from app.task_types import TaskType, TaskTypes

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

REDIS_S = 3.0
COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


@click.command()
@json_option
def doctor(*, as_json: bool) -> None:
    """Check the settings, Postgres, Redis and the running processes; print a line for each, with a remedy.

    Settings come from the environment, else from a running `make run`. The exit code is 1 if a check fails.
    """
    findings = []
    for each in examine():
        findings.append(each)
        if not as_json:
            _print(each)
    if as_json:
        click.echo(to_json([each.as_dict() for each in findings]))
    if any(each.level is Level.FAIL for each in findings):
        sys.exit(1)


def examine() -> Iterator[Finding]:
    """Yield all findings, each as soon as it is known."""
    try:
        settings = read_settings(otherwise=run_addresses())
    except InvalidSetting as wrong:
        yield fail("settings", str(wrong).rstrip("."), "Set it as docs/configuration.md says, or start `make run`.")
        return
    yield ok("settings", "all are valid")
    engine = connect_postgres(settings, name="doctor", pool=1)
    redis = connect_redis(settings, timeout_s=REDIS_S)
    try:
        yield from _examine(settings, engine, redis)
    finally:
        engine.dispose()
        redis.close()


def _examine(settings: Settings, engine: Engine, redis: Redis) -> Iterator[Finding]:
    of_postgres, of_redis = list(check_postgres(engine, settings)), list(check_redis(redis))
    yield from (*of_postgres, *of_redis)
    if missing := [each for each in settings.modules if not _is_found(each)]:
        yield fail("types", f"TASK_MODULES names {missing[0]!r}, which is not found", "Correct it, or set PYTHONPATH.")
        return
    types = _types(redis) if len(of_redis) > 1 else None
    if types is None:
        yield warn("types", "Redis does not have the types of the release", "Is a sweeper running? It writes them.")
        types = TaskTypes(TaskType(name=each, handler=None, external=True) for each in settings.external_types)
    else:
        yield ok("types", ", ".join(types.names))
    try:
        if _is_usable(of_postgres):
            yield from check_tasks(engine, types, settings)
            yield from check_late(engine, Contents(redis), types, settings)
            if len(of_redis) > 1:
                yield from _in_redis(engine, redis, types, settings)
    except LedgerUnavailable:
        yield fail("postgres", "connection lost during the check", "Try again.")


def _is_found(module: str) -> bool:
    """Return whether a module can be found, without importing it or its parent packages."""
    found, place = None, None
    for name in accumulate(module.split("."), "{}.{}".format):
        found = PathFinder.find_spec(name, place)
        if found is None:
            return False
        place = found.submodule_search_locations
    return True


def _types(redis: Redis) -> TaskTypes | None:
    try:
        return get_types(redis)
    except RedisError:
        return None


def _is_usable(of_postgres: list[Finding]) -> bool:
    """Return whether Postgres answers and has the tables."""
    return len(of_postgres) > 1 and not any(each.check == "schema" and each.level is Level.FAIL for each in of_postgres)


def _in_redis(engine: Engine, redis: Redis, types: TaskTypes, settings: Settings) -> Iterator[Finding]:
    try:
        yield from check_processes(silence_s(redis, now=time.time()))
        yield from check_drift(engine, DueSet(redis), types, window_s=settings.schedule_window_s)
    except RedisError as trouble:
        yield refused_by_redis(trouble)


def _print(finding: Finding) -> None:
    level = click.style(f"{finding.level:<5}", fg=COLOURS[finding.level], bold=finding.level is not Level.OK)
    click.echo(f"{level} {finding.check:<12} {finding.said}" + (f". {finding.remedy}" if finding.remedy else ""))
