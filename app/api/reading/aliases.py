"""Names of five earlier systems: accepted in requests, never used in answers nor in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from app.errors import InvalidInput

if TYPE_CHECKING:
    from flask import Flask

    from app.api.reading.field_errors import FieldErrors

# All aliases; docs/aliases.md lists them, too.
PATHS = {"/task": "/tasks"}
METHODS = {"PUT": ("POST", "/tasks")}
FIELDS = {
    "kind": "type",
    "task_type": "type",
    "execution_time": "execute_at",
    "send_ts": "execute_at",
    "time": "execute_at",
    "not_before": "execute_at",
}
ALIASED = FIELDS.keys() | set(FIELDS.values())
FILTERS = {
    "kind": "type",
    "task_type": "type",
    "filters.type": "type",
    "status": "state",
    "filters.status": "state",
}
FILTER_PREFIXES = {"status:": "state", "kind:": "type"}  # filter=status:<s>, filter=kind:<k>
STATES = {
    "pending": "scheduled",
    "submitted": "scheduled",
    "waiting": "scheduled",
    "inprogress": "running",
    "started_executing": "running",
    "claimed": "running",
    "completed": "succeeded",
    "done": "succeeded",
    "complete": "succeeded",
}


def rename_fields(body: dict[str, Any], errors: FieldErrors) -> dict[str, Any]:
    """Return the body with the canonical name of each field; `errors` will name the alias that was sent.

    Raises:
        InvalidInput: two names for one field disagree.
    """
    if FIELDS.keys().isdisjoint(body):
        return body
    errors.sent = {FIELDS[given]: given for given in body if given in FIELDS and FIELDS[given] not in body}
    renamed: dict[str, Any] = {}
    for given, value in body.items():
        if value is not None or given not in ALIASED:  # serializers write null for a field that is not set
            _put(renamed, FIELDS.get(given, given), value, given)
    return renamed


def rename_filters(query: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return the filters with their canonical names; `filter=status:x` becomes `state=x`. Raises as `rename_fields`."""
    renamed: dict[str, list[str]] = {}
    for given, values in query.items():
        if given != "filter":
            _put(renamed, FILTERS.get(given, given), values, given)
            continue
        for name, words in _split_filters(values).items():
            _put(renamed, name, words, given)
    return renamed


def sent_filters(query: Mapping[str, list[str]]) -> dict[str, str]:
    """Return the alias of each filter that was sent under an alias alone."""
    split = {FILTER_PREFIXES[prefix]: "filter" for prefix in FILTER_PREFIXES for value in query.get("filter", ())
             if value.startswith(prefix)}  # fmt: skip
    old = {FILTERS[given]: given for given in query if given in FILTERS}
    return {name: given for name, given in (split | old).items() if name not in query}


def split_words(values: list[str]) -> set[str]:
    """Return the values of a filter that is repeated or contains commas. Empty values are ignored."""
    return {word.strip() for value in values for word in value.split(",")} - {""}


def state_word(word: str) -> str:
    """Return the canonical word for a state, in lower case; an unknown word is kept."""
    return STATES.get(word.lower(), word.lower())


def accept_old_paths(app: Flask) -> None:
    """Route `/task…` as `/tasks…`, and PUT as POST where that creates a task."""
    for rule in list(app.url_map.iter_rules()):
        methods = rule.methods or set()
        for put, (post, path) in METHODS.items():
            if rule.rule == path and post in methods:
                methods = methods | {put}
                app.add_url_rule(path, rule.endpoint, methods=[put], provide_automatic_options=False)
        for old, new in PATHS.items():
            if rule.rule == new or rule.rule.startswith(f"{new}/"):
                app.add_url_rule(old + rule.rule.removeprefix(new), rule.endpoint, methods=methods - {"OPTIONS"})


def _put(renamed: dict[str, Any], name: str, value: Any, given: str) -> None:
    if name in renamed and _meaning(name, renamed[name]) != _meaning(name, value):
        raise InvalidInput(fields={given: f"{name} is given under two names that disagree."})
    renamed[name] = value


def _meaning(name: str, value: Any) -> Any:
    """Return a form of a value in which spellings that mean the same are equal: letter case, old words, lists."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return {_meaning(name, word) for word in split_words(value)}
    if not isinstance(value, str):
        return value
    return state_word(value) if name == "state" else value.lower()


def _split_filters(values: list[str]) -> dict[str, list[str]]:
    """Collect repeated filters by name, as for `state` and `type`."""
    split: dict[str, list[str]] = {}
    for value in values:
        name, rest = _split_filter(value)
        split.setdefault(name, []).append(rest)
    return split


def _split_filter(value: str) -> tuple[str, str]:
    for prefix, name in FILTER_PREFIXES.items():
        if value.startswith(prefix):
            return name, value.removeprefix(prefix)
    raise InvalidInput(fields={"filter": "Must be status:<state> or kind:<type>."})
