"""`punctual.task`: a handler takes what it declares."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, TypedDict, get_type_hints

import msgspec
import pydantic
import pytest

from punctual import BadTaskType, Context, task
from punctual.types import TaskType, declared

CONTEXT = Context("an-id", "a-type", 2, 3, 5.0, datetime(2026, 1, 1, tzinfo=UTC))
GREETING = b'{"name": "Ada"}'


class Greeting(msgspec.Struct):
    """A payload."""

    name: str
    n: int = 1


@dataclass
class GreetingDataclass:
    """The same payload."""

    name: str
    n: int = 1


class GreetingDict(TypedDict):
    """The same payload without its second field."""

    name: str


class GreetingModel(pydantic.BaseModel):
    """The same payload with a rule and one more field."""

    name: str
    n: int = pydantic.Field(default=1, ge=0)
    tags: list[str] = []


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the declarations of a test after it."""
    monkeypatch.setattr("punctual.types._declared", {})


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Import a module `users_tasks` with this text."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def load(text: str) -> ModuleType:
        monkeypatch.delitem(sys.modules, "users_tasks", raising=False)
        (tmp_path / "users_tasks.py").write_text(text)
        importlib.invalidate_caches()
        return importlib.import_module("users_tasks")

    return load


def run(kind: TaskType, text: bytes = GREETING) -> Any:
    """Read the payload and call the handler, as a worker does."""
    assert kind.handler
    return kind.handler.call(kind.handler.decode(text), CONTEXT)


def test_a_bare_declaration_takes_its_name_from_the_function() -> None:
    @task
    def greet(payload: Greeting) -> str:
        return payload.name

    kind = declared()["greet"]
    assert (kind.timeout_s, kind.max_attempts, kind.isolation, kind.queue) == (5, 1, "process", "default")
    assert run(kind) == "Ada"


def test_a_declaration_with_arguments_keeps_them() -> None:
    @task("send-greeting", timeout_s=2, max_attempts=3, isolation="thread", queue="slow")
    def greet(payload: Greeting) -> str:
        return payload.name

    kind = declared()["send-greeting"]
    assert (kind.timeout_s, kind.max_attempts, kind.isolation, kind.queue) == (2, 3, "thread", "slow")


def test_a_declaration_with_limits_alone_takes_its_name_from_the_function() -> None:
    @task(timeout_s=2)
    def greet() -> None: ...

    assert declared()["greet"].timeout_s == 2


def test_the_function_is_returned_unchanged() -> None:
    def greet(payload: Greeting, context: Context) -> list[Any]:
        return [payload.name, context.attempt]

    assert task(greet) is greet
    assert task("again")(greet) is greet
    assert greet(Greeting("Ada"), CONTEXT) == ["Ada", 2]


def test_a_handler_takes_payload_context_both_in_any_order_or_neither() -> None:
    @task
    def neither() -> str:
        return "nothing"

    @task
    def with_payload(some: Greeting) -> Any:
        return some

    @task
    def with_context(me: Context) -> Any:
        return me

    @task
    def payload_first(some: Greeting, me: Context) -> Any:
        return [some, me]

    @task
    def context_first(me: Context, some: Greeting) -> Any:
        return [some, me]

    kinds = declared()
    assert run(kinds["neither"]) == "nothing"
    assert run(kinds["with_payload"]) == Greeting("Ada")
    assert run(kinds["with_context"]) is CONTEXT
    assert run(kinds["payload_first"]) == run(kinds["context_first"]) == [Greeting("Ada"), CONTEXT]


def test_a_handler_without_payload_accepts_any_object_and_reads_none() -> None:
    @task
    def neither() -> None: ...

    kind = declared()["neither"]
    assert kind.payload_schema == {"type": "object"}
    assert kind.read_payload({"any": 1}) == {"any": 1}
    assert run(kind, b"not even JSON") is None


@pytest.mark.parametrize(
    ("payload", "read"),
    [
        (Greeting, Greeting("Ada")),
        (GreetingDataclass, GreetingDataclass("Ada")),
        (GreetingDict, {"name": "Ada"}),
        (GreetingModel, GreetingModel(name="Ada")),
        (dict[str, Any], {"name": "Ada"}),
        (dict, {"name": "Ada"}),
        (Mapping[str, str], {"name": "Ada"}),
        (Any, {"name": "Ada"}),
        (Greeting | None, Greeting("Ada")),
        (Annotated[dict[str, str], msgspec.Meta(max_length=3)], {"name": "Ada"}),
    ],
    ids=str,
)
def test_any_type_that_reads_a_json_object_can_be_a_payload(payload: Any, read: object) -> None:
    def greet(payload: Any) -> Any:
        return payload

    greet.__annotations__["payload"] = payload
    task(greet)
    kind = declared()["greet"]
    assert run(kind) == read
    assert kind.read_payload({"name": "Ada"}) == read
    assert isinstance(kind.payload_schema, dict)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"name": 1}, r"string.* - at `\$\.name`"),
        ({"name": "Ada", "n": -1}, r"greater than or equal to 0 - at `\$\.n`"),
        ({"name": "Ada", "tags": ["a", 1]}, r" - at `\$\.tags\[1\]`"),
        ({}, r"required - at `\$\.name`"),
    ],
)
def test_a_model_of_pydantic_validates_by_itself_and_its_errors_read_like_the_others(value: Any, message: str) -> None:
    @task
    def greet(payload: GreetingModel) -> None: ...

    kind = declared()["greet"]
    assert kind.payload_schema["properties"]["n"]["minimum"] == 0
    assert kind.handler
    for read in (kind.read_payload, lambda read: kind.handler.decode(msgspec.json.encode(read))):  # type: ignore[union-attr]
        with pytest.raises(msgspec.ValidationError, match=message):
            read(value)


def test_annotations_written_as_text_are_resolved(load: Callable[[str], ModuleType]) -> None:
    load(
        "from __future__ import annotations\n"
        "from typing import TYPE_CHECKING\n"
        "from dataclasses import dataclass\n"
        "import punctual\n"
        "if TYPE_CHECKING: from decimal import Decimal\n"
        "@dataclass\n"
        "class Greeting: name: str\n"
        "@punctual.task\n"
        "def greet(context: punctual.Context, payload: Greeting) -> Decimal: return payload.name\n"
    )
    assert run(declared()["greet"]) == "Ada"


def test_a_function_defined_while_its_module_is_imported_can_be_a_handler(load: Callable[[str], ModuleType]) -> None:
    load(
        "from punctual import task\n"
        "def make(name):\n"
        "    @task(name)\n"
        "    def handler(): return name\n"
        "for name in ('one', 'two'): make(name)\n"
    )
    assert [run(declared()[name]) for name in ("one", "two")] == ["one", "two"]


def test_an_inner_decorator_that_keeps_the_signature_is_unwrapped() -> None:
    def loudly(function: Callable[..., str]) -> Callable[..., str]:
        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> str:
            return function(*args, **kwargs).upper()

        return wrapper

    @task
    @loudly
    def greet(context: Context, payload: Greeting) -> str:
        return f"{payload.name} {context.attempt}"

    assert run(declared()["greet"]) == "ADA 2"


def test_the_classes_that_users_see_can_be_inspected() -> None:
    assert get_type_hints(Context)["execute_at"] is datetime


def test_a_second_declaration_of_a_name_is_refused_and_says_where_the_first_is() -> None:
    def one() -> None: ...
    def other() -> None: ...

    task("same")(one)
    first = re.escape(f"{__file__}:{one.__code__.co_firstlineno}: {one.__qualname__}")
    with pytest.raises(BadTaskType, match=f"'same' is declared twice, first at {first}. Rename one"):
        task("same")(other)


def test_two_functions_of_one_definition_cannot_share_a_name(load: Callable[[str], ModuleType]) -> None:
    with pytest.raises(BadTaskType, match="'same' is declared twice"):
        load("from punctual import task\ndef make():\n    @task('same')\n    def handler(): pass\nmake(); make()\n")


def test_a_reloaded_module_declares_again(load: Callable[[str], ModuleType]) -> None:
    module = load("from punctual import task\n@task\ndef greet(): return 1\n")
    importlib.reload(module)
    assert run(declared()["greet"]) == 1
