"""`punctual.task` refuses invalid declarations at import, with a remedy in the message."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
import pytest

from punctual import BadTaskType, Context, task
from punctual.types import declared

if TYPE_CHECKING:
    from decimal import Decimal


class Greeting(msgspec.Struct):
    """A payload."""

    name: str


class GreetingTuple(NamedTuple):
    """Read from a JSON array."""

    name: str


class GreetingArray(msgspec.Struct, array_like=True):
    """Read from a JSON array."""

    name: str


class MyContext(Context, frozen=True):
    """A class whose instances no handler receives."""


class Opaque:
    """A class that nothing can read."""


class HasOpaque(msgspec.Struct):
    """A payload with a field that nothing can read."""

    inside: Opaque


class HasUnknown(msgspec.Struct):
    """A payload with a field whose class exists for type checkers only."""

    price: Decimal


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the declarations of a test after it."""
    monkeypatch.setattr("punctual.types._declared", {})


def keep() -> None: ...


def two_payloads(_one: Greeting, _two: dict[str, Any]) -> None: ...
def two_contexts(_one: Context, _two: Context) -> None: ...
def without_annotation(_payload) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001
def many(*_payload: Greeting) -> None: ...
def named(**_payload: Greeting) -> None: ...
def keyword_only(*, _payload: Greeting) -> None: ...
def with_default(_payload: Greeting, _dry: bool = False) -> None: ...  # noqa: FBT001, FBT002
def optional_context(_me: Context | None) -> None: ...
def subclass_of_context(_me: MyContext) -> None: ...
def context_by_name_only(context: dict[str, Any]) -> None: ...
def payload_is_context(payload: Context) -> None: ...
def unknown_name(_payload: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def for_checkers_only(_payload: Decimal) -> None: ...
def broken(_payload: Greeting[1 / 0]) -> None: ...  # type: ignore[misc, valid-type, type-arg]
def opaque(_payload: Opaque) -> None: ...
def opaque_inside(_payload: HasOpaque) -> None: ...
def unknown_inside(_payload: HasUnknown) -> None: ...
def number(_payload: int) -> None: ...
def listed(_payload: list[Greeting]) -> None: ...
def literal(_payload: Literal["a"]) -> None: ...
def as_tuple(_payload: GreetingTuple) -> None: ...
def as_array(_payload: GreetingArray) -> None: ...
def nothing(_payload: None) -> None: ...
async def asynchronous() -> None: ...
def generator() -> Any:
    yield 1


async def asynchronous_generator() -> Any:
    yield 1


class Holder:
    """Holds a method and a static method."""

    def method(self) -> None: ...

    @staticmethod
    def static() -> None: ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (two_payloads, "takes 2 payloads, '_one' and '_two'.*gather their fields in one class"),
        (two_contexts, "takes the context twice, as '_one' and '_two'. Remove one"),
        (without_annotation, "'_payload' has no annotation. Annotate it with `punctual.Context` or"),
        (many, r"`\*_payload` cannot be filled. Take the payload as one parameter"),
        (named, r"`\*\*_payload` cannot be filled. Take the payload as one parameter"),
        (keyword_only, r"'_payload' is keyword-only. Remove the `\*`"),
        (with_default, "'_dry' has a default, which no task would use. Remove it, or make it a field of the payload"),
        (optional_context, "The context is always there: write `_me: Context`"),
        (subclass_of_context, "a subclass of the context's class. Write `_me: Context`"),
        (context_by_name_only, "Annotate it with `punctual.Context`, or rename it"),
        (payload_is_context, "annotated with the context's class. Name it 'context'"),
        (unknown_name, "name 'Nowhere' is not defined. Import or define it at the top level"),
        (for_checkers_only, "name 'Decimal' is not defined. .* outside of `if TYPE_CHECKING`"),
        (broken, "cannot be resolved: ZeroDivisionError"),
        (opaque, "cannot be a payload: msgspec cannot read it: .*Opaque.* Write a msgspec Struct, a dataclass"),
        (opaque_inside, "cannot be a payload: msgspec cannot read it: .*Opaque"),
        (unknown_inside, "cannot be a payload: msgspec cannot read it: .*'Decimal' is not defined"),
        (number, "<class 'int'>, .* cannot be a payload: a payload is a JSON object"),
        (listed, "a payload is a JSON object"),
        (literal, "a payload is a JSON object"),
        (as_tuple, "a payload is a JSON object"),
        (as_array, "a payload is a JSON object"),
        (nothing, "a payload is a JSON object"),
        (asynchronous, r"`async def` is not supported yet. Write `def`, and `asyncio.run\(...\)` inside"),
        (generator, "a generator cannot be a handler. Return the result"),
        (asynchronous_generator, "a generator cannot be a handler. Return the result"),
        (lambda: None, "a lambda cannot be a handler. Write a function with `def`"),
        (Holder.method, "a method cannot be a handler. Write a function outside of the class"),
        (Holder.static, "a method cannot be a handler"),
        (Holder().method, "an object of type method cannot be a handler. Decorate a function"),
        (Holder.__dict__["static"], "an object of type staticmethod cannot be a handler. Decorate a function"),
        (Holder, "a class cannot be a handler. Decorate a function written with `def`"),
        (partial(number, 1), "an object of type partial cannot be a handler. Decorate a function"),
        (len, "an object of type builtin_function_or_method cannot be a handler"),
        (3, "an object of type int cannot be a handler"),
    ],
)
def test_an_object_that_cannot_be_a_handler_is_refused_with_its_place_and_a_remedy(function: Any, message: str) -> None:
    with pytest.raises(BadTaskType, match=message) as refused:
        task("refused")(function)
    assert "refused" not in declared()
    if getattr(function, "__code__", None):
        assert str(refused.value).startswith(
            f"{__file__}:{function.__code__.co_firstlineno}: {function.__qualname__}: "
        )


@pytest.mark.parametrize("name", ["Upper", "", "1st", "with space", "x" * 65, "semi;colon", 3])
def test_an_invalid_name_is_refused(name: Any) -> None:
    with pytest.raises(BadTaskType, match=r"cannot be a name: .* Write one, as in @task\('name'\)"):
        task(name)(keep)


def test_a_function_with_an_invalid_name_is_refused() -> None:
    def Greet() -> None: ...  # noqa: N802

    with pytest.raises(BadTaskType, match="'Greet' cannot be a name"):
        task(Greet)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"timeout_s": 0}, "timeout_s must be a number above 0, at most 86400"),
        ({"timeout_s": 86401}, "timeout_s"),
        ({"timeout_s": float("nan")}, "timeout_s"),
        ({"timeout_s": "5"}, "timeout_s"),
        ({"max_attempts": 0}, "max_attempts must be a whole number from 1 to 100"),
        ({"max_attempts": 101}, "max_attempts"),
        ({"max_attempts": 1.5}, "max_attempts"),
        ({"isolation": "container"}, "isolation must be 'process' or 'thread'"),
        ({"queue": ""}, "queue must be the name of a queue"),
        ({"queue": None}, "queue must be the name of a queue"),
        ({"queue": "\ud800"}, "queue must be the name of a queue"),
        ({"queue": "two words"}, "queue must be the name of a queue"),
        ({"queue": "x" * 65}, "queue must be the name of a queue"),
        ({"timeout_s": True}, "timeout_s must be a number"),
        ({"max_attempts": True}, "max_attempts must be a whole number"),
    ],
)
def test_an_invalid_limit_is_refused(limits: dict[str, Any], message: str) -> None:
    with pytest.raises(BadTaskType, match=message):
        task("bounded", **limits)(keep)
    assert not declared()


def test_a_decorated_coroutine_or_generator_is_refused_as_the_function_inside() -> None:
    async def waits() -> None: ...

    def yields() -> Iterator[int]:
        yield 1

    for inner, message in ((waits, "`async def` is not supported yet"), (yields, "a generator cannot be a handler")):

        @wraps(inner)
        def outer(function: Any = inner) -> Any:
            return function()

        with pytest.raises(BadTaskType, match=message):
            task("refused")(outer)


def test_an_object_without_a_name_is_refused_like_any_other() -> None:
    for value in (5, None, partial(keep)):
        with pytest.raises(BadTaskType, match="cannot be a handler"):
            task()(value)  # type: ignore[type-var]


def test_a_second_function_of_the_same_name_in_a_module_is_refused() -> None:
    source = "@task\ndef twice() -> None: ...\n\n@task\ndef twice() -> None: ...\n"
    with pytest.raises(BadTaskType, match=r"is declared twice, first at a_module\.py:1"):
        exec(compile(source, "a_module.py", "exec"), {"task": task, "__name__": "a_module"})
