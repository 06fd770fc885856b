"""Puts the application together; connects to nothing."""

from __future__ import annotations

import threading

from flask import Flask

from app.api.access.control import control_access
from app.api.access.sign_in import sign_in
from app.api.answers import nothing
from app.api.every_request import watch_requests
from app.api.failures import handle_failures
from app.api.openapi.document import publish
from app.api.reading.aliases import accept_old_paths
from app.api.reading.requests import LARGEST_BODIES
from app.api.resources.claims import claims
from app.api.resources.health import health, prepare_checks
from app.api.resources.problem_pages import pages
from app.api.resources.stats import prepare_statistics, stats
from app.api.resources.tasks import tasks
from app.api.resources.types import types as task_types
from app.api.services import KEY, Services
from app.broker.due_set import DueSet
from app.broker.writer import DueSetWriter
from app.config import Settings, read_settings
from app.connections import connect_postgres, connect_redis
from app.creator import TaskCreator
from app.logs import configure_logs
from app.operations import Operations
from app.task_types import TaskTypes, load_task_types
from app.web.deliveries import mount_rq_dashboard

RESOURCES = (tasks, claims, task_types, stats, health)
ANNOUNCE_TIMEOUT_S = 1.0  # no request waits for it


def create_app(settings: Settings | None = None, types: TaskTypes | None = None) -> Flask:
    """The WSGI application; `app.api.front` is what the web server calls.

    Safe to call before a fork: all clients connect when first used.

    Raises:
        BadSetting, BadTaskType.
    """
    settings = settings or read_settings()
    configure_logs(settings, process="web")
    app = Flask("app.web")
    app.url_map.merge_slashes = False
    app.config["MAX_CONTENT_LENGTH"] = max(LARGEST_BODIES.values())
    app.extensions[KEY] = _make_services(settings, types or load_task_types(settings))
    prepare_checks(app, app.extensions[KEY].engine, app.extensions[KEY].redis)
    prepare_statistics(app, app.extensions[KEY])
    watch_requests(app, settings)
    control_access(app, settings, app.extensions[KEY].engine, app.extensions[KEY].redis, RESOURCES)
    publish(app, app.extensions[KEY].types, RESOURCES)
    handle_failures(app)
    app.register_blueprint(pages)
    app.register_blueprint(sign_in)
    app.add_url_rule("/favicon.ico", "favicon", nothing)  # browsers ask on their own
    mount_rq_dashboard(app, settings)
    accept_old_paths(app)
    return app


def _make_services(settings: Settings, types: TaskTypes) -> Services:
    # Two fifths of the connections create tasks, and keep their plans; whatever has to be planned anew has the others.
    for_creating = max(1, settings.database_pool * 2 // 5)
    engine = connect_postgres(settings, name="web", pool=settings.database_pool - for_creating)
    creating = connect_postgres(settings, name="web", pool=for_creating, keeps_plans=True)
    redis = connect_redis(settings)
    writer = DueSetWriter(DueSet(connect_redis(settings, timeout_s=ANNOUNCE_TIMEOUT_S)))
    operations = Operations(engine, writer, types, window_s=settings.schedule_window_s, creating=creating)
    return Services(settings, types, engine, redis, operations, TaskCreator(operations), threading.Event())
