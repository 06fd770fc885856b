"""All kinds of faults, by name."""

from __future__ import annotations

from tests.faults.kinds.fault import INSTANT, MOMENT, SHORT, UNTIL_DEAD, Fault
from tests.faults.kinds.on_deliveries import duplicate
from tests.faults.kinds.on_links import route_fault, slow_routes
from tests.faults.kinds.on_processes import (
    deploy,
    fail_forks,
    freeze,
    kill,
    kill_a_child,
    skewed_promoter,
    suspend_worker,
)
from tests.faults.kinds.on_servers import (
    end_idle_sessions,
    flush_redis,
    freeze_postgres,
    freeze_redis,
    kill_redis,
    make_read_only,
    restart_postgres,
    set_clock,
)

ROUTES = ("web-redis", "worker-redis", "promoter-redis", "sweeper-redis",
          "web-postgres", "worker-postgres", "promoter-postgres", "sweeper-postgres")  # fmt: skip
REDIS_ROUTES = tuple(each for each in ROUTES if each.endswith("redis"))

PROCESSES = (
    Fault("kill worker", "worker", kill("worker"), INSTANT, "kill", "SIGKILL; its children die with it"),
    Fault("kill child", "worker", kill_a_child, INSTANT, "kill", "SIGKILL to a process in which a worker runs tasks"),
    Fault("failing forks", "worker", fail_forks, MOMENT, "nothing", "the fork server of a worker can start no child"),
    Fault("kill promoter", "promoter", kill("promoter"), INSTANT, "nothing", "SIGKILL"),
    Fault("kill sweeper", "sweeper", kill("sweeper"), INSTANT, "nothing", "SIGKILL"),
    Fault("kill web", "web", kill("web"), INSTANT, "nothing", "SIGKILL to the server and its children"),
    Fault(
        "freeze worker",
        "worker",
        freeze("worker"),
        MOMENT,
        "outage",
        "SIGSTOP to the worker but not to its children; SIGCONT",
    ),
    Fault(
        "freeze worker for long", "worker", freeze("worker"), UNTIL_DEAD, "outage", "SIGSTOP until it counts as dead"
    ),
    Fault("suspend worker", "worker", suspend_worker, UNTIL_DEAD, "outage", "the same, with its children"),
    Fault("freeze promoter", "promoter", freeze("promoter"), MOMENT, "nothing", "SIGSTOP, SIGCONT"),
    Fault("freeze sweeper", "sweeper", freeze("sweeper"), MOMENT, "nothing", "SIGSTOP, SIGCONT"),
    Fault("freeze web", "web", freeze("web"), MOMENT, "nothing", "SIGSTOP, SIGCONT to the server and its children"),
    Fault(
        "fast clock",
        "promoter",
        skewed_promoter("fast_promoter"),
        MOMENT,
        "nothing",
        "one more promoter, whose clock is 5 s fast",
    ),
    Fault("slow clock", "promoter", skewed_promoter("slow_promoter"), MOMENT, "nothing", "one more, 5 s slow"),
    Fault("deploy", "deploy", deploy, INSTANT, "nothing", "SIGTERM to every process; each is restarted"),
)
SERVERS = (
    Fault("flush Redis", "redis", flush_redis, INSTANT, "nothing", "FLUSHALL"),
    Fault("kill Redis", "redis", kill_redis, MOMENT, "nothing", "SIGKILL; restarted empty"),
    Fault("freeze Redis", "redis", freeze_redis, MOMENT, "nothing", "SIGSTOP, SIGCONT"),
    Fault("restart Postgres", "postgres", restart_postgres, INSTANT, "outage", "immediate shutdown, then recovery"),
    Fault("freeze Postgres", "postgres", freeze_postgres, MOMENT, "outage", "SIGSTOP, SIGCONT, to all sessions"),
    Fault("freeze Postgres for long", "postgres", freeze_postgres, UNTIL_DEAD, "outage", "the same, for longer"),
    Fault("ended idle sessions", "postgres", end_idle_sessions, INSTANT, "nothing", "the server ends idle sessions"),
    Fault(
        "read-only sessions",
        "postgres",
        make_read_only,
        MOMENT,
        "outage",
        "all sessions end, new ones cannot write; those stay open afterwards",
    ),
    Fault("clock set forward", "postgres", set_clock(12), MOMENT, "nothing", "that of Postgres, by 12 s; then back"),
    Fault("clock set back", "postgres", set_clock(-3600), MOMENT, "nothing", "by an hour; then forward"),
    Fault("duplicates", "queue", duplicate, INSTANT, "nothing", "ids of any state pushed onto RQ, three times"),
)
LINKS = (
    slow_routes("slow Redis", REDIS_ROUTES),
    route_fault("web disconnected from Redis", "web-redis", "reset", MOMENT),
    route_fault("web without Redis", "web-redis", "hole", MOMENT),
    route_fault("web disconnected from Postgres", "web-postgres", "reset", MOMENT),
    route_fault("web without Postgres", "web-postgres", "hole", MOMENT),
    route_fault("answers to web lost", "web-postgres", "mute", SHORT),
    route_fault("workers disconnected from Redis", "worker-redis", "reset", MOMENT),
    route_fault("workers without Redis", "worker-redis", "hole", MOMENT),
    route_fault("workers disconnected from Postgres", "worker-postgres", "reset", MOMENT, "outage"),
    route_fault("workers without Postgres", "worker-postgres", "hole", MOMENT, "outage"),
    route_fault("answers to workers lost", "worker-postgres", "mute", SHORT, "outage"),
    route_fault("promoters without Redis", "promoter-redis", "hole", MOMENT),
    route_fault("sweeper disconnected from Postgres", "sweeper-postgres", "reset", MOMENT),
)
TABLE = {each.name: each for each in (*PROCESSES, *SERVERS, *LINKS)}
