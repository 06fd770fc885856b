"""GET /tasks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from app.api.reading import listing
from app.api.reading.listing import ListQuery
from app.api.services import services_of
from app.ledger import index_merge
from app.ledger.listing import Filter
from tests.integration.api_calls import PAST, body, create, fields, lease, run

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy import Connection, Engine

    from app.task import TaskState


def ids(client: FlaskClient, query: str = "") -> list[str]:
    """Return the ids of a list in its order."""
    answer = client.get(f"/tasks{query}")
    assert answer.status_code == 200, answer.text
    return [task["id"] for task in body(answer)["tasks"]]


def at(second: int) -> str:
    """Return an instant in a minute far in the future."""
    return f"2100-01-01T00:00:{second:02}Z"


def test_tasks_come_in_order_of_time_then_id(client: FlaskClient) -> None:
    late, early, twin = (create(client, execute_at=at(second))["id"] for second in (2, 1, 1))
    assert ids(client) == [early, twin, late]
    assert ids(client, "?order=execute_at,id") == ids(client, "?order=execute_at") == ids(client)
    assert ids(client, "?order=-execute_at") == [late, twin, early]


def test_an_empty_list_is_a_list(client: FlaskClient) -> None:
    assert body(client.get("/tasks")) == {"tasks": [], "count": 0, "next_cursor": None}


def test_an_entry_is_the_task_itself(client: FlaskClient) -> None:
    task = create(client, payload={"a": 1})
    assert body(client.get("/tasks"))["tasks"] == [body(client.get(f"/tasks/{task['id']}"))]


@pytest.mark.parametrize("order", ["execute_at,id", "-execute_at"])
def test_pages_cover_everything_once(client: FlaskClient, order: str) -> None:
    for second in (1, 1, 1, 2, 2, 3, 3):
        create(client, execute_at=at(second))
    whole, paged, url = ids(client, f"?order={order}"), [], f"/tasks?order={order}&limit=2"
    while url:
        answer = client.get(url)
        page = body(answer)
        assert page["count"] == len(page["tasks"]) <= 2
        paged += [task["id"] for task in page["tasks"]]
        link = answer.headers.get("Link", "")
        assert bool(link) == bool(page["next_cursor"])
        url = link.partition("<")[2].partition(">")[0]
        assert not link or link.endswith('>; rel="next"')
    assert paged == whole
    assert len(whole) == 7


def test_the_link_keeps_the_filters(client: FlaskClient) -> None:
    kept = [create(client, type="bar", execute_at=at(second))["id"] for second in (1, 2)]
    create(client, type="foo", execute_at=at(3))
    link = client.get("/tasks?type=bar&type=BAZ&limit=1&since=2100-01-01T00:00:00%2B00:00").headers["Link"]
    assert ids(client, link.partition("<")[2].partition(">")[0].removeprefix("/tasks")) == kept[1:]


def test_filters_combine(client: FlaskClient) -> None:
    wanted = create(client, type="bar", execute_at=at(2))["id"]
    create(client, type="bar", execute_at=at(3))
    create(client, type="foo", execute_at=at(2))
    assert ids(client, f"?type=BAR&state=scheduled&since={at(2)}&until={at(3)}") == [wanted]


def test_a_filter_repeats_or_takes_commas(client: FlaskClient) -> None:
    foo, bar, baz = (create(client, type=name, execute_at=at(n))["id"] for n, name in enumerate(("foo", "bar", "baz")))
    assert ids(client, "?type=foo&type=bar") == ids(client, "?type=bar,foo") == [foo, bar]
    assert ids(client, "?type=foo&type=bar,baz") == [foo, bar, baz]


def test_deleted_tasks_are_listed_only_when_asked_for(client: FlaskClient) -> None:
    gone, here = create(client)["id"], create(client)["id"]
    client.delete(f"/tasks/{gone}")
    assert ids(client) == [here]
    assert ids(client, "?state=deleted") == [gone]
    assert ids(client, "?state=deleted,scheduled") == [gone, here]


def test_tasks_are_filtered_by_state(client: FlaskClient) -> None:
    running, scheduled = lease(client)["id"], create(client)["id"]
    assert ids(client, "?state=running") == [running]
    assert ids(client, "?state=Scheduled") == [scheduled]
    assert ids(client, "?state=failed") == []


def test_the_beginning_of_an_id_finds_it(client: FlaskClient) -> None:
    task, other = create(client)["id"], create(client)["id"]
    assert ids(client, f"?q={task}") == ids(client, f"?q={task.replace('-', '')}") == [task]
    assert task in ids(client, f"?q={task[:8].upper()}")
    assert ids(client, f"?q={other[:-1]}") == [other]
    assert ids(client, "?q=ffffffff") == []


def test_one_deeply_nested_result_does_not_break_the_list(client: FlaskClient, engine: Engine) -> None:
    held = lease(client)
    deep = "[" * 700 + "]" * 700
    run(engine, "UPDATE tasks SET result = CAST(:deep AS jsonb), started_at = '2030-01-31T08:30:00.25Z'", deep=deep)
    answer = client.get("/tasks")
    assert answer.status_code == 200
    assert deep in answer.text
    assert '"started_at":"2030-01-31T08:30:00.250000Z"' in answer.text
    assert client.get(f"/tasks/{held['id']}").status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "?state=&type=&since=&until=&q=&order=&limit=&cursor=",
        "?state",
        "?state=,",
        "?type=%20,%20",
        "?since=&since=2000-01-01T00:00:00Z",
        "?status=&filters.status=&filters.type=&filter=&kind=&task_type=",
        "?filter=status:",
        "?state=&status=scheduled",
    ],
)
def test_an_empty_value_counts_as_absent(client: FlaskClient, query: str) -> None:
    task = create(client)["id"]
    assert ids(client, query) == [task]


def test_an_empty_wait_counts_as_absent(client: FlaskClient) -> None:
    assert client.get(f"/tasks/{create(client)['id']}?wait_s=").status_code == 200
    assert client.get("/tasks/next?type=").status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "?state=Running,%20SCHEDULED",
        "?state=+running+,scheduled,",
        "?state=scheduled%2Crunning",
        "?status=Pending,,claimed",
    ],
)
def test_spaces_and_commas_around_the_words_of_a_filter_do_not_matter(client: FlaskClient, query: str) -> None:
    running, scheduled = lease(client)["id"], create(client)["id"]
    assert ids(client, query) == [running, scheduled]


def test_tasks_of_a_type_that_was_removed_from_the_code_are_listed(client: FlaskClient, engine: Engine) -> None:
    gone, here = create(client)["id"], create(client)["id"]
    run(engine, "UPDATE tasks SET type = 'signup.webhook' WHERE id = :id", id=gone)
    assert ids(client, "?type=signup.webhook") == ids(client, "?type=Signup.Webhook") == [gone]
    assert ids(client, "?type=signup.webhook,foo") == [gone, here]
    assert ids(client, "?filters.type=signup.webhook&state=scheduled") == [gone]


@pytest.mark.parametrize("name", ["nope", "%F0%9F%98%80", "%ff", "a%20b", "x" * 5000, "';--", "1", "*", "null"])
def test_an_unknown_type_has_no_tasks(client: FlaskClient, name: str) -> None:
    create(client)
    assert ids(client, f"?type={name}") == []


@pytest.mark.parametrize("since", ["2100-01-01%2000:00:00.000000001%2B00:00", "2100-01-01T00:00:00.0000001Z"])
def test_a_time_finer_than_microseconds_filters_exactly(client: FlaskClient, since: str) -> None:
    before, after = (
        create(client, execute_at=each)["id"] for each in ("2100-01-01T00:00:00Z", "2100-01-01T00:00:00.000001Z")
    )
    assert ids(client, f"?since={since}") == [after]
    assert ids(client, f"?until={since}") == [before]


REFUSED: list[tuple[str, str]] = [
    ("state", "state=asleep"),
    ("type", "type=%00"),
    ("limit", "limit=1e2"),
    ("since", "since=1900000000"),
    ("not_before", "not_before=2030-01-01T00:00:00Z"),
    ("since", "since=yesterday"),
    ("since", "since=2030-01-01T00:00:00"),
    ("since", "since=2030-01-01T00:00:00+01:00"),
    ("until", "until=9999-12-31T23:59:59-14:00"),
    ("q", "q=abc"),
    ("q", "q=xyzw"),
    ("q", "q=----"),
    ("q", "q=" + "0" * 33),
    ("order", "order=created_at"),
    ("order", "order=-execute_at,id;drop"),
    ("limit", "limit=0"),
    ("limit", "limit=-1"),
    ("limit", "limit=1001"),
    ("limit", "limit=9223372036854775808"),
    ("limit", "limit=1.5"),
    ("limit", "limit=%D9%A3"),
    ("limit", "limit=1&limit=1"),
    ("cursor", "cursor=AAAA"),
    ("cursor", "cursor=%F0%9F%98%80"),
    ("cursor", "cursor=" + "A" * 43 + "%3D"),
    ("cursor", "cursor=" + "A" * 100_000),
    ("offset", "offset=10"),
    ("State", "State=running"),
    ("filter", "filter=colour:red"),
]


@pytest.mark.parametrize(("name", "query"), REFUSED, ids=lambda text: str(text)[:40])
def test_an_unknown_value_or_parameter_is_refused(client: FlaskClient, name: str, query: str) -> None:
    assert list(fields(client.get(f"/tasks?{query}"))) == [name]


def test_every_wrong_parameter_is_named(client: FlaskClient) -> None:
    errors: Any = fields(client.get("/tasks?state=x&limit=0&since=x&page=2"))
    assert set(errors) == {"state", "limit", "since", "page"}


def test_a_cursor_belongs_to_its_filters(client: FlaskClient) -> None:
    for second in (1, 2):
        create(client, execute_at=at(second))
    cursor = body(client.get("/tasks?limit=1"))["next_cursor"]
    assert list(fields(client.get(f"/tasks?limit=1&state=scheduled&cursor={cursor}"))) == ["cursor"]
    assert list(fields(client.get(f"/tasks?limit=1&cursor={cursor[:-4]}"))) == ["cursor"]


def test_a_task_that_changes_its_state_while_it_is_listed_is_listed(
    client: FlaskClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list first reads the types that have tasks in a state; a task may enter the state before the list reads it."""
    task = create(client, type="foo", execute_at=PAST, max_attempts=2)
    claimed = "state = 'running', attempt = 1, started_at = now(), worker_id = 'w', claim_token = gen_random_uuid()"
    run(engine, f"UPDATE tasks SET {claimed} WHERE id = :id", id=task["id"])
    types_in = index_merge.types_in

    def rescue_after(connection: Connection, state: TaskState) -> list[str]:
        found = types_in(connection, state)
        run(engine, "UPDATE tasks SET state = 'scheduled', claim_token = NULL WHERE id = :id", id=task["id"])
        return found

    monkeypatch.setattr(index_merge, "types_in", rescue_after)
    assert [each["id"] for each in body(client.get("/tasks?state=scheduled,running"))["tasks"]] == [task["id"]]


def test_a_page_of_large_tasks_is_shorter_and_the_pages_cover_everything_once(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "FIRST_ROWS", 4)
    made = [create(client, type="noop", execute_at=at(n), payload={"a": "x" * (n % 3) * 400})["id"] for n in range(30)]
    found: list[str] = []
    wanted = ListQuery(Filter(), limit=25, cursor=None)
    while wanted.cursor or not found:
        page = listing.read_page(services_of(client.application).engine, wanted, max_bytes=4000)
        tasks = [json.loads(bytes(orjson.dumps(each))) for each in page.tasks]
        assert len(tasks) == 1 or len(orjson.dumps(page.tasks)) < 4100
        found += [task["id"] for task in tasks]
        wanted = ListQuery(Filter(), limit=25, cursor=page.next_cursor)
    assert found == made


def test_a_task_larger_than_a_page_is_a_page(client: FlaskClient) -> None:
    for _ in range(2):
        create(client)
    page = listing.read_page(
        services_of(client.application).engine, ListQuery(Filter(), limit=9, cursor=None), max_bytes=1
    )
    assert len(page.tasks) == 1
    assert page.next_cursor
