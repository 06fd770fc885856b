"""A Redis that refuses commands: all parts continue without a restart once its name leads to one that works."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from redis.exceptions import RedisError

from app.api.auth.limits import MinuteCounts
from app.broker.contents import put_durations
from app.broker.due_set import DueSet
from app.broker.keys import WAKE_CHANNEL
from app.broker.rq.jobs import Delivery, push, queue
from app.broker.writer import DueSetWriter, Removal
from app.cli.doctor.servers import REMEDIES, check_redis
from app.connections import connect_redis
from app.operations import Operations
from app.redis_pool import name_of
from app.task import Due
from tests.acceptance.conditions import wait_until
from tests.integration.api_calls import problem
from tests.making import ahead, make, new_task
from tests.redis_pair import RedisPair, owner
from tests.refusing_redis import RefusingRedis
from workers.housekeeping import Housekeeping
from workers.promoter import Promoter
from workers.sweeper import Sweeper

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from redis import Redis
    from sqlalchemy import Engine

    from app.config import Settings
    from app.task_types import TaskTypes

SOON_S = 30.0
TRIES = 3  # once on an old connection, once on each of two that were opened before the name led elsewhere

Use = Callable[[], object]


class Uses:
    """All ways in which the processes use one client of Redis."""

    def __init__(self, redis: Redis, engine: Engine, types: TaskTypes, settings: Settings) -> None:
        self.redis, self.engine, self.types, self.settings = redis, engine, types, settings

    def command(self) -> Use:
        return lambda: self.redis.set("probe", "")

    def script(self) -> Use:
        return lambda: DueSet(self.redis).add([due()])

    def pipeline(self) -> Use:
        return lambda: DueSet(self.redis).remove("noop", [due().id])

    def transaction(self) -> Use:
        def put() -> None:
            with self.redis.pipeline(transaction=True) as pipe:
                pipe.set("probe", "")
                pipe.get("probe")
                pipe.execute()

        return put

    def delivery(self) -> Use:
        return lambda: push(queue("default", self.redis), [Delivery("noop", [due().id])])

    def blocking(self) -> Use:
        return lambda: self.redis.blmove("rq:queue:default", "rq:queue:default:intermediate", 1)

    def durations(self) -> Use:
        return lambda: put_durations(self.redis, {"noop": 1.0})

    def writer(self) -> Use:
        """The thread of the due-set writer repeats this."""
        writer = DueSetWriter(DueSet(self.redis))
        return lambda: writer.flush([due(), Removal(due().id, "noop")])

    def promoter(self) -> Use:
        promoter = Promoter(self.engine, self.redis, self.types)

        def promote() -> None:
            promoter.step()
            promoter.wait()

        return promote

    def sweeper(self) -> Use:
        return Sweeper(self.engine, self.redis, self.types, self.settings).step

    def scheduler(self) -> Use:
        return Housekeeping(self.redis, queue_name="default").step


USES = [name for name in vars(Uses) if not name.startswith("_")]
ERRORS = (
    "READONLY You can't write against a read only replica.",
    "ERR Error running script (call to f_5f3a): @user_script:2: -READONLY You can't write against a read only replica.",
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    "LOADING Redis is loading the dataset in memory",
    "CLUSTERDOWN The cluster is down",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "MISCONF Errors writing to the AOF file: No space left on device",
    "OOM command not allowed when used memory > 'maxmemory'.",
    "NOPERM User punctual has no permissions to run the 'set' command",
    "NOAUTH Authentication required.",
    "NOREPLICAS Not enough good replicas to write.",
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "MOVED 3999 127.0.0.1:6381",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
)


def due() -> Due:
    return Due(new_task().id, "noop", ahead(3600))


@pytest.fixture(scope="module")
def pair() -> Iterator[RedisPair]:
    with tempfile.TemporaryDirectory(prefix="punctual-pair-") as folder, RedisPair(Path(folder)) as made:
        yield made


@pytest.fixture
def remote(pair: RedisPair, settings: Settings) -> Iterator[Redis]:
    """A client like those of the processes; the name leads to the primary, and both servers are empty."""
    for each in (pair.primary, pair.other):
        pair.promote(each)
        with owner(each) as client:
            client.flushall()
    pair.lead(pair.primary.url)
    with connect_redis(msgspec.structs.replace(settings, redis_url=pair.url()), timeout_s=5) as client:
        yield client


@pytest.fixture
def uses(remote: Redis, engine: Engine, types: TaskTypes, settings: Settings) -> Uses:
    return Uses(remote, engine, types, settings)


def refused_by(use: Use) -> str:
    """Return the word with which the server refuses."""
    with pytest.raises(RedisError) as refused:
        use()
    return name_of(refused.value)


def heals(use: Use) -> None:
    """Assert that it works after at most a few tries."""
    for _ in range(TRIES):
        with suppress(RedisError):
            use()
            return
    use()


@pytest.mark.parametrize("error", ERRORS, ids=[each.split()[0] + str(n) for n, each in enumerate(ERRORS)])
def test_every_use_leaves_a_server_that_refuses_when_its_name_leads_elsewhere(
    pair: RedisPair, uses: Uses, error: str
) -> None:
    word = "READONLY" if "READONLY" in error else error.split(maxsplit=1)[0]
    parts = {name: getattr(uses, name)() for name in USES}
    with RefusingRedis(error) as refusing:
        pair.lead(refusing.url)
        uses.redis.connection_pool.disconnect()
        for name, use in parts.items():
            assert refused_by(use) == word, name
            pair.lead(pair.primary.url)  # the connections to the refusing server stay open
            heals(use)
            pair.lead(refusing.url)
            uses.redis.connection_pool.disconnect()


@pytest.mark.slow
@pytest.mark.parametrize("name", USES)
def test_every_use_follows_a_failover(pair: RedisPair, uses: Uses, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old primary keeps its connections, and becomes a replica. Uses that only read also write at intervals."""
    monkeypatch.setattr("workers.housekeeping.CHORE_INTERVAL_S", 1)
    pair.replicate(pair.other, pair.primary)
    use = getattr(uses, name)()
    heals(use)
    pair.fail_over()
    with owner(pair.primary) as client:
        wait_until(lambda: suppressed(use) and client.info("clients")["connected_clients"] > 1, SOON_S, "it follows")
    for _ in range(TRIES):
        use()


def test_a_worker_that_waits_for_deliveries_follows_a_failover(pair: RedisPair, uses: Uses) -> None:
    """The old primary ends its wait with UNBLOCKED."""
    redis, ended = uses.redis, threading.Event()
    errors: list[RedisError] = []

    def wait() -> None:
        while not ended.is_set():
            try:
                if redis.blmove("rq:queue:default", "rq:queue:default:intermediate", 4):
                    ended.set()
            except RedisError as error:
                errors.append(error)
                ended.wait(0.05)

    thread = threading.Thread(target=wait)
    thread.start()
    with owner(pair.primary) as client:
        wait_until(lambda: client.info("clients")["blocked_clients"], SOON_S, "it waits")
    pair.fail_over()
    with owner(pair.primary) as client:
        client.lpush("punctual:rq:queue:default", "a job")
        try:
            assert ended.wait(SOON_S)
        finally:
            ended.set()
            thread.join()
    assert {name_of(each) for each in errors} <= {"UNBLOCKED", "READONLY"}


def test_a_promoter_is_notified_of_new_tasks_after_a_failover(pair: RedisPair, uses: Uses) -> None:
    """Its subscription is on a connection of its own, on which no command fails."""
    promote = uses.promoter()
    for _ in range(2):
        promote()
    pair.fail_over()
    with owner(pair.primary) as client:
        wait_until(
            lambda: suppressed(promote) and client.publish(f"punctual:{WAKE_CHANNEL}", "1"), SOON_S, "it listens"
        )


def test_a_promoter_subscribes_again_when_the_channel_was_forbidden_for_a_while(pair: RedisPair, uses: Uses) -> None:
    promoter = Promoter(uses.engine, uses.redis, uses.types)
    with owner(pair.primary) as client:
        client.execute_command("ACL", "SETUSER", "punctual", "resetchannels")
        try:
            for _ in range(2):
                with pytest.raises(RedisError) as refused:
                    promoter.wait()
                assert name_of(refused.value) == "NOPERM"
        finally:
            client.execute_command("ACL", "SETUSER", "punctual", "&punctual:wake")
        promoter.wait()
        assert client.publish(f"punctual:{WAKE_CHANNEL}", "1") == 1


def test_limits_are_counted_in_redis_again_after_a_failover(pair: RedisPair, uses: Uses) -> None:
    time = [1000.0]
    counts = MinuteCounts(uses.redis, clock=lambda: time[0])
    assert counts.count("x").number == 1
    pair.fail_over()
    for _ in range(TRIES):
        assert counts.count("x").number > 0, "counted in memory at worst"
        time[0] += 3
    with owner(pair.primary) as client:
        assert client.keys("punctual:limits*")


def refuse_writes(redis: Redis, how: str) -> Callable[[], object]:
    """Make a server refuse writes; return how to undo it."""
    if how == "OOM":
        redis.config_set("maxmemory", 1)
        return lambda: redis.config_set("maxmemory", 0)
    if how == "READONLY":
        redis.execute_command("REPLICAOF", "127.0.0.1", "9")
        return lambda: redis.execute_command("REPLICAOF", "NO", "ONE")
    if how == "NOREPLICAS":
        redis.config_set("min-replicas-to-write", 1)
        return lambda: redis.config_set("min-replicas-to-write", 0)
    if how == "NOPERM":
        redis.execute_command("ACL", "SETUSER", "punctual", "-set", "-zadd", "-hset")
        return lambda: redis.execute_command("ACL", "SETUSER", "punctual", "+set", "+zadd", "+hset")
    return fail_to_save(redis)


def fail_to_save(redis: Redis) -> Callable[[], object]:
    """Make snapshots fail, by a folder in place of their file; return how to undo it."""
    folder = Path(str(redis.config_get("dir")["dir"]), str(redis.config_get("dbfilename")["dbfilename"]))
    folder.unlink(missing_ok=True)
    folder.mkdir()
    redis.config_set("save", "3600 1")
    redis.bgsave()
    wait_until(lambda: redis.info("persistence")["rdb_last_bgsave_status"] == "err", SOON_S, "the snapshot fails")

    def undo() -> None:
        folder.rmdir()
        redis.config_set("save", "")
        redis.bgsave()
        wait_until(lambda: redis.info("persistence")["rdb_last_bgsave_status"] == "ok", SOON_S, "it works")

    return undo


@pytest.mark.parametrize("how", ["OOM", "READONLY", "NOREPLICAS", "NOPERM", "MISCONF"])
def test_a_server_that_refuses_writes_is_not_ready_and_all_works_again_when_it_accepts_them(
    pair: RedisPair, uses: Uses, client_with: Callable[..., FlaskClient], how: str
) -> None:
    client = client_with(redis_url=pair.url())
    promote = uses.promoter()
    heals(promote)
    uses.script()()
    with owner(pair.primary) as server:
        undo = refuse_writes(server, how)
        try:
            answer = client.get("/ready")
            assert problem(answer, 503, "not-ready") == {"redis": f"refuses: {how}"}
            assert refused_by(uses.durations()) == how
            assert [(each.check, each.remedy) for each in check_redis(uses.redis) if each.level == "fail"] == [
                ("redis", REMEDIES[how])
            ]
        finally:
            undo()
    assert client.get("/ready").status_code == 200
    heals(promote)
    heals(uses.durations())


def test_the_dashboard_says_that_redis_refuses(pair: RedisPair, client_with: Callable[..., FlaskClient]) -> None:
    client = client_with(redis_url=pair.url())
    assert client.get("/rq/0/data/queues.json").status_code == 200
    with RefusingRedis("LOADING Redis is loading the dataset in memory") as refusing:
        pair.lead(refusing.url)
        with owner(pair.primary) as server:
            server.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        for error, word in (("MASTERDOWN Link with MASTER is down", "MASTERDOWN"), ("LOADING x", "LOADING")):
            refusing.error = error
            answer = client.get("/rq/0/data/queues.json")
            assert problem(answer, 503, "redis-away") == {"redis": word}
        pair.lead(pair.primary.url)
    assert client.get("/rq/0/data/queues.json").status_code == 200


def test_scripts_are_loaded_again_when_the_server_has_lost_them(pair: RedisPair, uses: Uses) -> None:
    use = uses.script()
    use()
    with owner(pair.primary) as server:
        server.script_flush()
    use()


def test_a_server_without_a_free_connection_is_used_again_when_it_has_one(pair: RedisPair, uses: Uses) -> None:
    with owner(pair.primary) as server:
        limit = server.config_get("maxclients")["maxclients"]
        server.config_set("maxclients", 1)
        try:
            with pytest.raises(RedisError):
                uses.redis.set("probe", "")
        finally:
            server.config_set("maxclients", limit)
    heals(uses.command())


def test_a_failover_to_a_server_without_the_ids_is_repaired_by_the_sweeper(
    pair: RedisPair, uses: Uses, engine: Engine, types: TaskTypes, settings: Settings
) -> None:
    """The standby was never a replica here, so all ids are lost."""
    operations = Operations(engine, DueSet(uses.redis), types, window_s=settings.schedule_window_s)
    make(operations, 30)
    make(operations, 20, at=ahead(600))
    sweep: Any = uses.sweeper()
    heals(sweep)
    assert DueSet(uses.redis).sizes(["noop"]) == (50, 0)
    pair.fail_over()
    make(operations, 10)  # the writer cannot add these, or adds them to the new primary
    wait_until(lambda: suppressed(sweep) and DueSet(uses.redis).sizes(["noop"]) == (60, 0), SOON_S, "all are back")


def suppressed(step: Use) -> bool:
    """Make a step, and ignore errors of Redis; return True."""
    with suppress(RedisError):
        step()
    return True
