"""Handlers: which functions can be handlers, what they take, and how they are called.

A signature is inspected once, at the declaration, and not when a task runs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime  # get_type_hints(Context) needs it
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from punctual.errors import BadTaskType
from punctual.payload import Payload, read_type

ANY_OBJECT = dict[str, Any]
NO_PAYLOAD = Payload(ANY_OBJECT, lambda _text: None, {"type": "object"}, runs_code=False)


class Context(msgspec.Struct, frozen=True, gc=False):
    """Information about the running task.

    `id` is the same in every attempt, so it can serve as the idempotency key of an effect in another system. `attempt`
    differs in each attempt; it is for logs.
    """

    id: str
    type: str
    attempt: int
    max_attempts: int
    timeout_s: float
    execute_at: datetime


Call = Callable[[Any, Context], Any]


@dataclass(frozen=True, slots=True)
class Handler:
    """A handler function and how to run it.

    `call` takes the decoded payload and the context, and passes to the function the arguments that it declares. If the
    function takes no payload, any JSON object is accepted and not decoded.
    """

    function: Callable[..., Any]
    takes: Payload
    call: Call

    def decode(self, text: bytes | str) -> Any:
        """Read the JSON text of a payload."""
        return self.takes.decode(text)


def read_handler(function: Callable[..., Any]) -> Handler:
    """Read from a function's signature what it takes: payload, context, both in any order, or neither.

    The parameter annotated with `Context` receives the context, the other one the payload. Names do not matter.

    Raises:
        BadTaskType: the function cannot be a handler, or its annotation cannot be a payload.
    """
    _check_kind(function)
    takes = _parameters(function)
    contexts = [each for each in takes if takes[each] is Context]
    rest = [each for each in takes if takes[each] is not Context]
    if len(contexts) > 1:
        raise refusal(function, f"it takes the context twice, as {_names(contexts)}. Remove one of them.")
    if len(rest) > 1:
        raise refusal(
            function,
            f"it takes {len(rest)} payloads, {_names(rest)}. A task has one: gather their fields in one class, "
            "and annotate the context with `punctual.Context`.",
        )
    if not rest:
        return Handler(function, NO_PAYLOAD, _without_payload(function, takes_context=bool(contexts)))
    (name,) = rest
    try:
        payload = read_type(takes[name])
    except ValueError as wrong:
        raise refusal(
            function,
            f"{takes[name]!r}, the annotation of {name!r}, cannot be a payload: {wrong}. "
            "Write a msgspec Struct, a dataclass, a TypedDict, a dict or a pydantic model.",
        ) from None
    return Handler(function, payload, _with_payload(function, list(takes), name))


def refusal(function: Any, sentence: str) -> BadTaskType:
    """Return the error for a function that cannot be declared. Its message begins with the place."""
    return BadTaskType(f"{where(function)}: {sentence}")


def where(function: Any) -> str:
    """Return the file, line and name of a function."""
    name = getattr(function, "__qualname__", None) or repr(function)
    code = getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None
    place = f"{code.co_filename}:{code.co_firstlineno}" if code else getattr(function, "__module__", "?")
    return f"{place}: {name}"


def _check_kind(function: Any) -> None:
    """Refuse an object that is not a plain function."""
    if not inspect.isfunction(function):
        kind = "a class" if isinstance(function, type) else f"an object of type {type(function).__name__}"
        raise refusal(function, f"{kind} cannot be a handler. Decorate a function written with `def`.")
    outer, _, name = function.__qualname__.rpartition(".")
    if name == "<lambda>":
        raise refusal(function, "a lambda cannot be a handler. Write a function with `def`.")
    if outer and not outer.endswith("<locals>"):
        raise refusal(function, "a method cannot be a handler. Write a function outside of the class.")
    inner = inspect.unwrap(function)  # what a decorator of the handler wraps
    if inspect.iscoroutinefunction(inner):
        raise refusal(function, "`async def` is not supported yet. Write `def`, and `asyncio.run(...)` inside.")
    if inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
        raise refusal(function, "a generator cannot be a handler. Return the result instead of yielding it.")


def _parameters(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the checked annotations of a function's parameters by name, in order."""
    try:
        signature = inspect.signature(function)
        hints = _resolve(function, signature)
    except NameError as unknown:
        raise refusal(
            function,
            f"an annotation cannot be resolved: {unknown}. "
            "Import or define it at the top level of the module, outside of `if TYPE_CHECKING`.",
        ) from None
    except Exception as broken:
        raise refusal(function, f"an annotation cannot be resolved: {type(broken).__name__}: {broken}.") from broken
    for parameter in signature.parameters.values():
        if wrong := _parameter_fault(parameter) or _annotation_fault(parameter.name, hints.get(parameter.name)):
            raise refusal(function, wrong)
    return hints


def _resolve(function: Callable[..., Any], signature: inspect.Signature) -> dict[str, Any]:
    """Evaluate the annotations of the parameters. That of the result may name a type for type checkers only."""

    class Annotations:
        """Holder of the annotations for `get_type_hints`, which takes a class or a module."""

    Annotations.__annotations__ = {
        each.name: each.annotation
        for each in signature.parameters.values()
        if each.annotation is not inspect.Parameter.empty
    }
    hints = get_type_hints(Annotations, globalns=inspect.unwrap(function).__globals__, include_extras=True)
    return {name: Context if _bare(hint) is Context else hint for name, hint in hints.items()}


def _parameter_fault(parameter: inspect.Parameter) -> str | None:
    """Return why a handler cannot have this parameter and what to write instead; None if it can."""
    name = parameter.name
    if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
        stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
        return f"`{stars}{name}` cannot be filled. Take the payload as one parameter annotated with its class."
    if parameter.kind is parameter.KEYWORD_ONLY:
        return f"{name!r} is keyword-only. Remove the `*` before it."
    if parameter.default is not parameter.empty:
        return f"{name!r} has a default, which no task would use. Remove it, or make it a field of the payload."
    if parameter.annotation is parameter.empty:
        return f"{name!r} has no annotation. Annotate it with `punctual.Context` or with the payload's class."
    return None


def _annotation_fault(name: str, annotation: Any) -> str | None:
    """Return why an annotation does not tell what the parameter receives; None if it does."""
    if annotation is Context:
        return f"{name!r} is annotated with the context's class. Name it 'context'." if name == "payload" else None
    if isinstance(annotation, type) and issubclass(annotation, Context):
        return f"{name!r} is annotated with a subclass of the context's class. Write `{name}: Context`."
    if Context in get_args(annotation):
        return f"{name!r} is annotated with {annotation!r}. The context is always there: write `{name}: Context`."
    if name == "context":
        return f"'context' is annotated with {annotation!r}. Annotate it with `punctual.Context`, or rename it."
    return None


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _without_payload(function: Callable[..., Any], *, takes_context: bool) -> Call:
    if takes_context:
        return lambda _payload, context: function(context)
    return lambda _payload, _context: function()


def _with_payload(function: Callable[..., Any], takes: list[str], payload: str) -> Call:
    if takes == [payload]:
        return lambda payload, _context: function(payload)
    if takes[0] == payload:
        return function
    return lambda payload, context: function(context, payload)


def _names(names: list[str]) -> str:
    return " and ".join(repr(each) for each in names)
