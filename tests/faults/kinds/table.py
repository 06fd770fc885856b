"""Every kind of fault there is, by name."""

from __future__ import annotations

from tests.faults.kinds.fault import AT_ONCE, LONGER_THAN_DEAD, MOMENT, SHORT, Fault
from tests.faults.kinds.on_deliveries import duplicate
from tests.faults.kinds.on_links import cut, slow
from tests.faults.kinds.on_processes import deploy, freeze, kill, kill_a_child, skewed_promoter, suspend_worker
from tests.faults.kinds.on_servers import flush_redis, freeze_postgres, freeze_redis, kill_redis, restart_postgres

ROUTES = ("web-redis", "worker-redis", "promoter-redis", "sweeper-redis",
          "web-postgres", "worker-postgres", "promoter-postgres", "sweeper-postgres")  # fmt: skip
REDIS_ROUTES = tuple(each for each in ROUTES if each.endswith("redis"))

PROCESSES = (
    Fault("kill worker", "worker", kill("worker"), AT_ONCE, "kill", "SIGKILL; its children die with it"),
    Fault("kill child", "worker", kill_a_child, AT_ONCE, "kill", "SIGKILL to a process in which a worker runs tasks"),
    Fault("kill promoter", "promoter", kill("promoter"), AT_ONCE, "nothing", "SIGKILL"),
    Fault("kill sweeper", "sweeper", kill("sweeper"), AT_ONCE, "nothing", "SIGKILL"),
    Fault("kill web", "web", kill("web"), AT_ONCE, "nothing", "SIGKILL to the server and its children"),
    Fault("freeze worker", "worker", freeze("worker"), MOMENT, "silence", "SIGSTOP, not to its children; SIGCONT"),
    Fault("bury worker", "worker", freeze("worker"), LONGER_THAN_DEAD, "silence", "SIGSTOP until it counts as dead"),
    Fault("suspend worker", "worker", suspend_worker, LONGER_THAN_DEAD, "silence", "the same, with its children"),
    Fault("freeze promoter", "promoter", freeze("promoter"), MOMENT, "nothing", "SIGSTOP, SIGCONT"),
    Fault("freeze sweeper", "sweeper", freeze("sweeper"), MOMENT, "nothing", "SIGSTOP, SIGCONT"),
    Fault("freeze web", "web", freeze("web"), MOMENT, "nothing", "SIGSTOP, SIGCONT to the server and its children"),
    Fault(
        "fast clock", "promoter", skewed_promoter("fast_promoter"), MOMENT, "nothing", "one more promoter, 5 s ahead"
    ),
    Fault("slow clock", "promoter", skewed_promoter("slow_promoter"), MOMENT, "nothing", "one more, 5 s behind"),
    Fault("deploy", "deploy", deploy, AT_ONCE, "nothing", "SIGTERM to every process; each is started again"),
)
SERVERS = (
    Fault("flush Redis", "redis", flush_redis, AT_ONCE, "nothing", "FLUSHALL"),
    Fault("kill Redis", "redis", kill_redis, MOMENT, "nothing", "SIGKILL; started again, empty"),
    Fault("freeze Redis", "redis", freeze_redis, MOMENT, "nothing", "SIGSTOP, SIGCONT"),
    Fault("restart Postgres", "postgres", restart_postgres, AT_ONCE, "silence", "immediate shutdown, then recovery"),
    Fault("freeze Postgres", "postgres", freeze_postgres, MOMENT, "silence", "SIGSTOP, SIGCONT, all sessions included"),
    Fault("bury Postgres", "postgres", freeze_postgres, LONGER_THAN_DEAD, "silence", "the same, for longer"),
    Fault("duplicates", "queue", duplicate, AT_ONCE, "nothing", "ids of any state pushed onto RQ, three times"),
)
LINKS = (
    slow("slow Redis", REDIS_ROUTES),
    cut("web torn from Redis", "web-redis", "reset", MOMENT),
    cut("web without Redis", "web-redis", "hole", MOMENT),
    cut("web torn from Postgres", "web-postgres", "reset", MOMENT),
    cut("web without Postgres", "web-postgres", "hole", MOMENT),
    cut("answers to web lost", "web-postgres", "mute", SHORT),
    cut("workers torn from Redis", "worker-redis", "reset", MOMENT),
    cut("workers without Redis", "worker-redis", "hole", MOMENT),
    cut("workers torn from Postgres", "worker-postgres", "reset", MOMENT, "silence"),
    cut("workers without Postgres", "worker-postgres", "hole", MOMENT, "silence"),
    cut("answers to workers lost", "worker-postgres", "mute", SHORT, "silence"),
    cut("promoters without Redis", "promoter-redis", "hole", MOMENT),
    cut("sweeper torn from Postgres", "sweeper-postgres", "reset", MOMENT),
)
TABLE = {each.name: each for each in (*PROCESSES, *SERVERS, *LINKS)}
