"""Long polls through the server: they occupy no thread, and nothing is claimed for a client that has left."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from app.api.application import RESOURCES
from app.api.bodies import Bodies
from app.api.openapi.resource import BodyLimits
from app.api.server import THREADS, Server
from app.api.services import services_of
from app.api.waiting import Waiters, look
from app.errors import LedgerUnavailable
from app.ledger import claims
from app.ledger.listing import list_tasks
from tests.integration.api_calls import FUTURE, PAST, body, create, lease, run
from tests.rsgi import Answer, Protocol, scope

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy import Engine

IN_TIME_S = 20.0
Claiming = tuple[Protocol, "asyncio.Task[Answer]"]


async def until(is_true: Callable[[], bool]) -> None:
    """Wait for something that happens in another thread."""
    async with asyncio.timeout(IN_TIME_S):
        while not is_true():  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.005)


class Web:
    """A web process without a network, on the event loop of the test."""

    def __init__(self, app: Flask, *, max_waiting: int = 512) -> None:
        self.stopping = threading.Event()
        self.waiters = Waiters(partial(look, services_of(app).engine), max_waiting=max_waiting)
        self._server = Server(app, self.stopping, Bodies(BodyLimits(app, RESOURCES)), waiters=self.waiters)

    def ask(self, method: str, path: str, given: Any = None, *, query: str = "") -> tuple[Protocol, Awaitable[Answer]]:
        """Send a request; return its connection and its answer."""
        content = b"" if given is None else json.dumps(given).encode()
        protocol = Protocol(content)
        headers = {"content-type": "application/json", "content-length": str(len(content))} if content else {}
        request = scope(headers.items(), method, path, query=query, authority="x")
        return protocol, self._answer(request, protocol)

    async def _answer(self, request: Any, protocol: Protocol) -> Answer:
        await asyncio.wait_for(self._server.__rsgi__(request, protocol), IN_TIME_S)
        return protocol.answer if protocol._answers else (0, [], b"")

    def claim(
        self, *, wait_s: float = IN_TIME_S, worker_id: str = "w", **more: Any
    ) -> tuple[Protocol, asyncio.Task[Answer]]:
        """Claim a task of the type `outside`."""
        protocol, answer = self.ask("POST", "/tasks/claim", {"worker_id": worker_id, "wait_s": wait_s} | more)
        return protocol, asyncio.ensure_future(answer)

    async def until_waiting(self, number: int) -> None:
        """Wait until this number of requests wait and none has a thread."""
        await until(lambda: len(self.waiters._waiting) == number and not self._server._running)

    async def create(self, client: FlaskClient, **fields: Any) -> str:
        """Create a task of the type `outside` through another process."""
        made = await asyncio.to_thread(create, client, type="outside", **fields)
        return str(made["id"])


@contextmanager
def web(client: FlaskClient, **options: Any) -> Iterator[Web]:
    made = Web(client.application, **options)
    yield made
    made.waiters._closed.set()
    with made.waiters._changed:
        made.waiters._changed.notify_all()


def state_of(engine: Engine, task_id: str) -> tuple[str, int]:
    found = run(engine, "SELECT state || ' ' || attempt FROM tasks WHERE id = :id", id=task_id).split()
    return found[0], int(found[1])


def in_web(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an asynchronous test with a web process."""

    def run_it(client: FlaskClient, engine: Engine) -> None:
        with web(client) as made:
            asyncio.run(test(made, client, engine))  # type: ignore[arg-type]

    run_it.__name__ = test.__name__
    return run_it


@in_web
async def test_many_more_requests_wait_than_there_are_threads(web: Web, client: FlaskClient, engine: Engine) -> None:
    waiting = [web.claim()[1]]
    await web.until_waiting(1)
    waiting += [web.claim()[1] for _ in range(10 * THREADS)]
    await web.until_waiting(len(waiting))
    first = await web.create(client, delay_s=0)
    for each in waiting:
        if each.done():
            pytest.fail("one was answered before a task was there")
    status, _, content = await waiting[0]
    assert (status, json.loads(content)["id"]) == (200, first)
    made = [await web.create(client, execute_at=PAST) for _ in waiting[1:]]
    answers = await asyncio.gather(*waiting[1:])
    assert [each[0] for each in answers] == [200] * len(made)
    assert sorted(json.loads(each[2])["id"] for each in answers) == sorted(made)


@in_web
async def test_claims_are_served_in_the_order_in_which_they_came(web: Web, client: FlaskClient, engine: Engine) -> None:
    waiting = []
    for number in range(5):
        waiting.append(web.claim(worker_id=str(number))[1])
        await web.until_waiting(number + 1)
    for each in waiting:
        task_id = await web.create(client, execute_at=PAST)
        assert json.loads((await each)[2])["id"] == task_id


@in_web
async def test_a_worker_that_polls_in_a_loop_does_not_starve_others(
    web: Web, client: FlaskClient, engine: Engine
) -> None:
    _, patient = web.claim()
    await web.until_waiting(1)
    over, taken = asyncio.Event(), []

    async def poll() -> None:
        while not over.is_set():
            status, _, content = await web.claim(wait_s=0, worker_id="hasty")[1]
            taken.extend([json.loads(content)["id"]] if status == 200 else [])

    polling = asyncio.ensure_future(poll())
    due_at_once = await web.create(client, execute_at=PAST)
    assert json.loads((await patient)[2])["id"] == due_at_once
    _, patient = web.claim()
    await web.until_waiting(1)
    due_soon = await web.create(client, delay_s=0.2)
    assert json.loads((await patient)[2])["id"] == due_soon
    alone = await web.create(client, execute_at=PAST)
    await until(lambda: alone in taken)
    over.set()
    await polling


@in_web
async def test_a_claim_whose_client_leaves_while_it_waits_claims_nothing(
    web: Web, client: FlaskClient, engine: Engine
) -> None:
    connection, claim = web.claim()
    await web.until_waiting(1)
    connection.gone.set()
    assert (await claim)[0] == 0, "there is no answer"
    assert not web.waiters._waiting
    task_id = await web.create(client, execute_at=PAST)
    _, next_claim = web.claim()
    assert json.loads((await next_claim)[2])["id"] == task_id
    assert state_of(engine, task_id) == ("running", 1)


@pytest.mark.parametrize("one", [False, True])
@pytest.mark.parametrize("limit", [None, 3])
def test_claims_whose_client_leaves_before_the_answer_are_handed_back(
    client: FlaskClient,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    limit: int | None,
    one: bool,  # noqa: FBT001
) -> None:
    made = [create(client, type="outside", execute_at=PAST)["id"] for _ in range(3)]
    name = "lease_one" if one else "lease_due"
    real, claimed, may_return = getattr(claims, name), threading.Event(), threading.Event()

    def claim_slowly(*given: Any, **more: Any) -> Any:
        leases = real(*given, **more)
        claimed.set()
        may_return.wait(IN_TIME_S)
        return leases

    monkeypatch.setattr(claims, name, claim_slowly)

    async def leave(web: Web) -> Answer:
        given = {"worker_id": "w"} | ({} if one or limit is None else {"limit": limit})
        connection, asked = web.ask("POST", f"/tasks/{made[0]}/claim" if one else "/tasks/claim", given)
        answer = asyncio.ensure_future(asked)
        await asyncio.to_thread(claimed.wait, IN_TIME_S)
        assert state_of(engine, made[0]) == ("running", 1)
        connection.gone.set()
        await asyncio.sleep(0.01)
        may_return.set()
        return await answer

    with web(client) as there:
        assert asyncio.run(leave(there))[0] == 0
    assert [state_of(engine, each) for each in made] == [("scheduled", 0)] * 3


@in_web
async def test_a_show_waits_until_the_task_is_final(web: Web, client: FlaskClient, engine: Engine) -> None:
    held = await asyncio.to_thread(lease, client)
    _, asked = web.ask("GET", f"/tasks/{held['id']}", query="wait_s=20")
    shown = asyncio.ensure_future(asked)
    await web.until_waiting(1)
    done = {"claim_token": held["claim_token"], "result": 7}
    await asyncio.to_thread(client.post, f"/tasks/{held['id']}/complete", json=done)
    status, _, content = await shown
    assert (status, json.loads(content)["result"]) == (200, 7)


@in_web
async def test_a_show_whose_task_is_deleted_meanwhile_is_a_404(web: Web, client: FlaskClient, engine: Engine) -> None:
    task_id = await web.create(client, execute_at=FUTURE)
    _, asked = web.ask("GET", f"/tasks/{task_id}", query="wait_s=20")
    shown = asyncio.ensure_future(asked)
    await web.until_waiting(1)
    await asyncio.to_thread(client.delete, f"/tasks/{task_id}")
    status, _, content = await shown
    assert (status, json.loads(content)["type"]) == (404, "/problems/task-deleted")


@in_web
async def test_a_show_whose_client_leaves_gives_up_its_place(web: Web, client: FlaskClient, engine: Engine) -> None:
    task_id = await web.create(client, execute_at=FUTURE)
    connection, asked = web.ask("GET", f"/tasks/{task_id}", query="wait_s=20")
    shown = asyncio.ensure_future(asked)
    await web.until_waiting(1)
    connection.gone.set()
    await shown
    assert not web.waiters._waiting


@in_web
async def test_a_wait_that_times_out_gets_the_present_state(web: Web, client: FlaskClient, engine: Engine) -> None:
    task_id = await web.create(client, execute_at=FUTURE)
    assert (await web.claim(wait_s=0.1)[1])[0] == 204
    status, _, content = await web.ask("GET", f"/tasks/{task_id}", query="wait_s=0.1")[1]
    assert (status, json.loads(content)["state"]) == (200, "scheduled")
    assert not web.waiters._waiting


@in_web
async def test_a_process_that_stops_answers_all_that_wait_and_claims_nothing_more(
    web: Web, client: FlaskClient, engine: Engine
) -> None:
    task_id = await web.create(client, execute_at=FUTURE)
    waiting = [web.claim()[1] for _ in range(40)]
    waiting.append(asyncio.ensure_future(web.ask("GET", f"/tasks/{task_id}", query="wait_s=20")[1]))
    await web.until_waiting(len(waiting))
    web.stopping.set()
    web.waiters.close()
    answers = await asyncio.gather(*waiting)
    assert [each[0] for each in answers] == [204] * 40 + [200]
    assert all(("Connection", "close") in headers for _, headers, _ in answers)
    assert (await web.claim()[1])[0] == 204


def test_a_list_whose_client_leaves_ends_with_the_step_that_is_read(
    client: FlaskClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.post("/tasks/batch", json={"tasks": [{"type": "foo", "execute_at": FUTURE}] * 250})
    real, reads, read, may_return = list_tasks, [], threading.Event(), threading.Event()

    def read_slowly(*given: Any, **more: Any) -> Any:
        found = real(*given, **more)
        reads.append(len(found.tasks))
        read.set()
        may_return.wait(IN_TIME_S)
        return found

    monkeypatch.setattr("app.api.reading.listing.list_tasks", read_slowly)

    async def leave(web: Web) -> Answer:
        connection, asked = web.ask("GET", "/tasks", query="limit=250")
        answer = asyncio.ensure_future(asked)
        await asyncio.to_thread(read.wait, IN_TIME_S)
        connection.gone.set()
        await asyncio.sleep(0.01)
        may_return.set()
        return await answer

    with web(client) as there:
        assert asyncio.run(leave(there))[0] == 0
    assert len(reads) == 1


def test_when_too_many_wait_a_request_is_refused_with_a_retry_after(client: FlaskClient) -> None:
    async def ask(web: Web) -> list[Answer]:
        first = web.claim()[1]
        await web.until_waiting(1)
        answers = [await web.claim(wait_s=wait_s)[1] for wait_s in (20, 0)]
        task_id = await web.create(client, execute_at=FUTURE)
        answers.append(await web.ask("GET", f"/tasks/{task_id}", query="wait_s=20")[1])
        web.waiters.close()
        await first
        return answers

    with web(client, max_waiting=1) as there:
        for status, headers, content in asyncio.run(ask(there)):
            assert (status, json.loads(content)["type"]) == (429, "/problems/too-many-waiting")
            assert int(dict(headers)["Retry-After"]) > 0
            assert dict(headers)["Content-Type"] == "application/problem+json"


def test_while_postgres_is_unavailable_requests_continue_to_wait(
    client: FlaskClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, is_unavailable = Waiters.step, threading.Event()

    def step(self: Waiters) -> bool:
        if is_unavailable.is_set():
            raise LedgerUnavailable
        return real(self)

    async def wait(web: Web) -> Answer:
        is_unavailable.set()
        claim = web.claim()[1]
        await web.until_waiting(1)
        task_id = await web.create(client, execute_at=PAST)
        await asyncio.sleep(0.3)
        assert not claim.done()
        is_unavailable.clear()
        answer = await claim
        assert json.loads(answer[2])["id"] == task_id
        return answer

    monkeypatch.setattr(Waiters, "step", step)
    with web(client) as there:
        assert asyncio.run(wait(there))[0] == 200


def test_a_request_that_waits_is_counted_and_logged_once(
    client_with: Callable[..., FlaskClient], capsys: pytest.CaptureFixture[str]
) -> None:
    limited = client_with(requests_per_minute=1000)

    async def wait(web: Web) -> list[Answer]:
        (_, gone), (connection, left) = (web.claim(wait_s=0.2), web.claim())
        await web.until_waiting(2)
        connection.gone.set()
        await left
        return [await gone, await web.claim(wait_s=0)[1]]

    with web(limited) as there:
        first, second = (dict(headers)["RateLimit"] for _, headers, _ in asyncio.run(wait(there)))
    left = [int(each.partition("r=")[2].partition(";")[0]) for each in (first, second)]
    assert left[0] - left[1] in {1, 2}, "three requests were counted"
    logged = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert sorted(line["status"] for line in logged if line["event"] == "request") == [204, 204, 499]
    assert max(line["ms"] for line in logged if line["status"] == 204) >= 200


def test_without_our_server_no_request_waits(client: FlaskClient) -> None:
    assert client.post("/tasks/claim", json={"worker_id": "w", "wait_s": 30}).status_code == 204
    task = create(client, execute_at=FUTURE)
    assert body(client.get(f"/tasks/{task['id']}?wait_s=30"))["state"] == "scheduled"
