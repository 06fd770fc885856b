"""Builds the application. It connects to no server before the first request."""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask

from app import web
from app.api.auth import control_access
from app.api.auth.gate import Scopes
from app.api.auth.key_ring import KeyRing
from app.api.auth.limits import MinuteCounts, PendingLimit
from app.api.errors import handle_errors
from app.api.middleware import watch_requests
from app.api.openapi.document import publish
from app.api.reading.aliases import accept_old_paths
from app.api.resources.claims import claims
from app.api.resources.health import health, health_checks
from app.api.resources.stats import stats
from app.api.resources.tasks import MAX_BATCH_BYTES, tasks
from app.api.resources.types import types as task_types
from app.api.services import EXTENSION, Services, services_of
from app.api.statistics import Statistics
from app.api_key import PREFIX, Scope, digest
from app.broker.due_set import DueSet
from app.broker.writer import DueSetWriter
from app.config import Settings, read_settings
from app.connections import connect_postgres, connect_redis
from app.creator import TaskCreator
from app.errors import InvalidSetting, LedgerUnavailable, StatementRejected
from app.ledger import keys
from app.ledger.server import exit_if_unsuitable
from app.logs import configure_logs, get_logger
from app.operations import Operations
from app.start import sentence_instead_of_traceback
from app.task_types import TaskTypes, load_task_types
from app.web.docs import pages
from app.web.rq_dashboard import mount_rq_dashboard
from app.web.sign_in import sign_in

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from structlog.typing import FilteringBoundLogger as BoundLogger

RESOURCES = (tasks, claims, task_types, stats, health)
WEB = Path(web.__file__).parent
DUE_SET_TIMEOUT_S = 1.0  # no request waits for it
NO_KEYS = (
    "no API key exists, and APP_ENV=production requires one. Create the first with "
    "`python -m app keys create NAME --scope admin`, or set INITIAL_API_KEY. AUTH=off requires none."
)


def create_app(settings: Settings | None = None, types: TaskTypes | None = None) -> Flask:
    """Return the WSGI application; `app.api.server` serves it.

    Safe to call before a fork: all clients connect when first used.

    Raises:
        InvalidSetting, BadTaskType.
    """
    settings = settings or read_settings()
    configure_logs(settings, process="web")
    app = Flask(__name__, template_folder=str(WEB / "templates"), static_folder=str(WEB / "static"))
    app.url_map.merge_slashes = False
    app.config["MAX_CONTENT_LENGTH"] = MAX_BATCH_BYTES  # operations have limits of their own
    services = app.extensions[EXTENSION] = make_services(settings, types or load_task_types(settings))
    watch_requests(app, settings)
    control_access(app, services, Scopes(RESOURCES))
    publish(app, services.types, RESOURCES)
    handle_errors(app)
    app.register_blueprint(pages)
    app.register_blueprint(sign_in)
    mount_rq_dashboard(app, settings)
    accept_old_paths(app)
    return app


def make_services(settings: Settings, types: TaskTypes) -> Services:
    """Make the parts of the application.

    Two fifths of the connections create tasks and keep their plans. All other statements use the rest.
    """
    for_creating = max(1, settings.database_pool * 2 // 5)
    engine = connect_postgres(settings, name="web", pool=settings.database_pool - for_creating)
    creating = connect_postgres(settings, name="web", pool=for_creating, keeps_plans=True)
    redis = connect_redis(settings)
    writer = DueSetWriter(DueSet(connect_redis(settings, timeout_s=DUE_SET_TIMEOUT_S)))
    operations = Operations(engine, writer, types, window_s=settings.schedule_window_s, creating=creating)
    return Services(
        settings=settings,
        types=types,
        engine=engine,
        redis=redis,
        operations=operations,
        creator=TaskCreator(operations),
        keys=KeyRing(partial(keys.valid, engine)),
        pending=PendingLimit(partial(keys.pending, engine)),
        minutes=MinuteCounts(redis),
        checks=health_checks((engine, creating), redis),
        statistics=Statistics(settings, types, engine, redis),
        stopping=threading.Event(),
    )


def create_app_or_exit(*, announce: bool = True) -> Flask:
    """Return the application of a web process. Log the start if `announce` is true.

    If settings are invalid, or production has no keys, the process exits with code 1 and one sentence.
    """
    log = get_logger()
    with sentence_instead_of_traceback("web"):
        app = create_app()
        settings = services_of(app).settings
        exit_if_unsuitable(services_of(app).engine, "web process")
        if settings.demands_keys and settings.initial_api_key:
            make_initial_key(services_of(app).engine, settings)
        if settings.demands_keys:
            require_keys(services_of(app).engine, settings, log)
    if announce:
        log.info("web_started", keys="needed" if settings.demands_keys else _why_no_keys(settings))
    return app


def require_keys(engine: Engine, settings: Settings, log: BoundLogger) -> None:
    """Check that there is a key. While Postgres does not answer, the process starts and admits no request.

    Raises:
        InvalidSetting: production without keys.
    """
    try:
        found = keys.valid(engine)
    except LedgerUnavailable:
        log.warning("keys_not_seen")
        return
    if not found and settings.app_env == "production":
        engine.dispose()
        raise InvalidSetting(NO_KEYS)
    if not found:
        log.warning("no_keys", remedy="python -m app keys create NAME --scope admin")


def make_initial_key(engine: Engine, settings: Settings) -> None:
    """Store INITIAL_API_KEY as a key with the scope admin if there has never been a key.

    A platform can generate it for the first deploy, before a command could create one. It can be revoked like others.
    """
    with suppress(LedgerUnavailable, StatementRejected):  # another process stored it at the same time
        if not keys.list_all(engine):
            secret_sha256 = digest(PREFIX + settings.initial_api_key.removeprefix(PREFIX))
            keys.create(engine, "initial", secret_sha256 or b"", {Scope.ADMIN})


def _why_no_keys(settings: Settings) -> str:
    return "not needed: AUTH=off" if settings.auth == "off" else "not needed: development on loopback"
