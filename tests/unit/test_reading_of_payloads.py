"""Reading payloads: all attributes are set, and it is known whether code of the user runs."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import msgspec
import pytest

from punctual.types import declared
from workers.pool.result import encode


def test_dataclasses_have_all_attributes_that_python_gives_them(load_payload: Callable[[str], ModuleType]) -> None:
    module = load_payload(
        "@dataclass(frozen=True)\nclass A: n: int = 1\n"
        "@dataclass(frozen=True)\nclass P:\n    all: list[A]\n    some: A = A()\n    b: int = 2"
    )
    handler = declared()["handler"].handler
    assert handler
    read = handler.decode('{"all": [{}]}')
    assert vars(read) == vars(module.P([module.A()]))
    assert vars(read.all[0]) == {"n": 1}
    assert encode(read) == '{"all":[{"n":1}],"some":{"n":1},"b":2}'
    assert encode(msgspec.json.decode("{}", type=module.A)) == '{"n":1}', "also where the user has read it with msgspec"


@pytest.mark.parametrize(
    ("text", "runs_code"),
    [
        ("class P(Struct): a: int", False),
        ("class P(Struct): a: list[int] = []", False),
        ("P = dict[str, Any]", False),
        ("class E(enum.Enum): X = 1\nclass P(Struct): a: E", False),
        ("class P(Struct):\n    def __post_init__(self): pass", True),
        (
            "@dataclass\nclass A:\n    def __post_init__(self): pass\nclass P(Struct): a: dict[str, list[A | None]]",
            True,
        ),
        ("class P(Struct): a: list = msgspec.field(default_factory=lambda: [1])", True),
        ("class P(Struct): a: Annotated[str, Meta(pattern='(a+)+$')]", True),
        (
            "class E(enum.Enum):\n    X = 1\n    @classmethod\n    def _missing_(cls, v): ...\nclass P(Struct): a: E",
            True,
        ),
        ("class P(pydantic.BaseModel): a: int", True),
        ("class P(Struct): inner: 'P | None' = None", False),
    ],
)
def test_a_payload_whose_reading_runs_code_of_the_user_is_known(
    load_payload: Callable[[str], ModuleType], text: str, *, runs_code: bool
) -> None:
    load_payload(text)
    assert declared()["handler"].takes.runs_code is runs_code
