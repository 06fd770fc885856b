"""Payloads as users declare them: each works completely, or is refused at the import with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import msgspec
import pytest

from punctual import BadTaskType
from punctual.types import declared

# Name: the text that declares P, a payload in JSON, and the text of what the handler gets.
WORKING: dict[str, tuple[str, str, str]] = {
    "struct": ("class P(Struct): a: int", '{"a": 1}', "P(a=1)"),
    "struct with text annotations": ("class P(Struct): a: 'int'", '{"a": 1}', "P(a=1)"),
    "keyword-only struct": ("class P(Struct, kw_only=True): a: int = 2; b: str", '{"b": "x"}', "P(a=2, b='x')"),
    "renamed struct": ("class P(Struct, rename='camel'): long_name: int", '{"longName": 1}', "P(long_name=1)"),
    "strict struct": ("class P(Struct, forbid_unknown_fields=True): a: int", '{"a": 1}', "P(a=1)"),
    "generic struct": (
        "T = TypeVar('T')\nclass G(Struct, Generic[T]): a: T\nP = G[int]",
        '{"a": 1}',
        "G(a=1)",
    ),
    "generic struct without parameter": (
        "T = TypeVar('T')\nclass P(Struct, Generic[T]): a: T",
        '{"a": "x"}',
        "P(a='x')",
    ),
    "two tagged structs": (
        "class A(Struct, tag=True): a: int\nclass B(Struct, tag=True): b: int\nP = A | B",
        '{"type": "B", "b": 1}',
        "B(b=1)",
    ),
    "recursive struct": ("class P(Struct): inner: 'P | None' = None", '{"inner": {}}', "P(inner=P(inner=None))"),
    "mutually recursive": (
        "class P(Struct): q: 'Q | None' = None\nclass Q(Struct): p: 'P'",
        '{"q": {"p": {}}}',
        "P(q=Q(p=P(q=None)))",
    ),
    "optional": ("class A(Struct): a: int\nP = Optional[A]", '{"a": 1}', "A(a=1)"),
    "annotated": ("class A(Struct): a: int\nP = Annotated[A, 'words']", '{"a": 1}', "A(a=1)"),
    "unhashable annotation": ("P = Annotated[dict[str, int], Meta(extra={'a': []})]", '{"a": 1}', "{'a': 1}"),
    "bounds": ("class P(Struct): a: Annotated[int, Meta(ge=0)]", '{"a": 0}', "P(a=0)"),
    "post_init": (
        "class P(Struct):\n    a: int\n    def __post_init__(self): self.a += 1",
        '{"a": 1}',
        "P(a=2)",
    ),
    "default of nan": ("class P(Struct): a: float = float('nan')", "{}", "P(a=nan)"),
    "default beyond 64 bits": ("class P(Struct): a: int = 2**70", "{}", f"P(a={2**70})"),
    "factory": ("class P(Struct): a: list = msgspec.field(default_factory=lambda: [1])", "{}", "P(a=[1])"),
    "unset": ("class P(Struct): a: int | msgspec.UnsetType = msgspec.UNSET", "{}", "P(a=UNSET)"),
    "enum": ("class E(enum.Enum): X = 'x'\nclass P(Struct): a: E", '{"a": "x"}', "P(a=<E.X: 'x'>)"),
    "str enum": ("class E(enum.StrEnum): X = 'x'\nclass P(Struct): a: E", '{"a": "x"}', "P(a=<E.X: 'x'>)"),
    "literal": ("class P(Struct): a: Literal['x', 1]", '{"a": 1}', "P(a=1)"),
    "decimal from a number": ("class P(Struct): a: decimal.Decimal", '{"a": 1.10}', "P(a=Decimal('1.10'))"),
    "decimal from text": ("class P(Struct): a: decimal.Decimal", '{"a": "1.10"}', "P(a=Decimal('1.10'))"),
    "uuid": (
        "class P(Struct): a: uuid.UUID",
        f'{{"a": "{"0" * 32}"}}',
        "P(a=UUID('00000000-0000-0000-0000-000000000000'))",
    ),
    "date": ("class P(Struct): a: datetime.date", '{"a": "2026-01-02"}', "P(a=datetime.date(2026, 1, 2))"),
    "datetime": (
        "class P(Struct): a: datetime.datetime",
        '{"a": "2026-01-02T03:00:00Z"}',
        "P(a=datetime.datetime(2026, 1, 2, 3, 0, tzinfo=datetime.timezone.utc))",
    ),
    "duration": ("class P(Struct): a: datetime.timedelta", '{"a": "PT1S"}', "P(a=datetime.timedelta(seconds=1))"),
    "bytes": ("class P(Struct): a: bytes", '{"a": "aGk="}', "P(a=b'hi')"),
    "sets and tuples": (
        "class P(Struct): a: set[int]; b: tuple[int, str]",
        '{"a": [1, 1], "b": [1, "x"]}',
        "P(a={1}, b=(1, 'x'))",
    ),
    "named tuple inside": ("class N(NamedTuple): x: int\nclass P(Struct): a: N", '{"a": [1]}', "P(a=N(x=1))"),
    "new type": ("Id = NewType('Id', int)\nclass P(Struct): a: Id", '{"a": 1}', "P(a=1)"),
    "new type of a dict": ("P = NewType('P', dict[str, int])", '{"a": 1}', "{'a': 1}"),
    "keys that are integers": ("class P(Struct): a: dict[int, str]", '{"a": {"1": "x"}}', "P(a={1: 'x'})"),
    "dict of integers": ("P = dict[int, str]", '{"1": "x"}', "{1: 'x'}"),
    "keys that are dates": ("P = dict[datetime.date, int]", '{"2026-01-02": 1}', "{datetime.date(2026, 1, 2): 1}"),
    "dict": ("P = dict", '{"a": 1.0}', "{'a': 1.0}"),
    "dict of anything": ("P = dict[str, Any]", '{"a": [1e16, -0.0]}', "{'a': [1e+16, -0.0]}"),
    "mapping": ("P = Mapping[str, int]", '{"a": 1}', "{'a': 1}"),
    "mutable mapping": ("P = MutableMapping[str, int]", '{"a": 1}', "{'a': 1}"),
    "anything": ("P = Any", '{"a": 1}', "{'a': 1}"),
    "type variable": ("P = TypeVar('P')", '{"a": 1}', "{'a': 1}"),
    "typed dict": ("class P(TypedDict): a: int", '{"a": 1}', "{'a': 1}"),
    "typed dict with optional keys": (
        "class P(TypedDict, total=False): a: Required[int]; b: int",
        '{"a": 1}',
        "{'a': 1}",
    ),
    "recursive typed dict": ("class P(TypedDict, total=False): a: 'P'", '{"a": {}}', "{'a': {}}"),
    "dataclass": ("@dataclass\nclass P: a: int = 1", "{}", "P(a=1)"),
    "frozen dataclass with slots": ("@dataclass(frozen=True, slots=True)\nclass P: a: int", '{"a": 1}', "P(a=1)"),
    "keyword-only dataclass": ("@dataclass(kw_only=True)\nclass P: a: int = 1; b: int", '{"b": 2}', "P(a=1, b=2)"),
    "inherited dataclass": (
        "@dataclass\nclass B: a: int\n@dataclass\nclass P(B): b: int = 2",
        '{"a": 1}',
        "P(a=1, b=2)",
    ),
    "dataclass with post_init": (
        "@dataclass\nclass P:\n    a: int\n    def __post_init__(self): self.a += 1",
        '{"a": 1}',
        "P(a=2)",
    ),
    "class variable": ("@dataclass\nclass P:\n    b: ClassVar[int] = 1\n    a: int = 2", "{}", "P(a=2)"),
    "dataclass of dataclasses": (
        "@dataclass\nclass A: a: int\n@dataclass\nclass P: all: list[A]",
        '{"all": [{"a": 1}]}',
        "P(all=[A(a=1)])",
    ),
    "model": ("class P(pydantic.BaseModel): a: int", '{"a": "1"}', "P(a=1)"),
    "strict model with a date": (
        "class P(pydantic.BaseModel, strict=True): a: datetime.date",
        '{"a": "2026-01-02"}',
        "P(a=datetime.date(2026, 1, 2))",
    ),
    "generic model": (
        "T = TypeVar('T')\nclass G(pydantic.BaseModel, Generic[T]): a: T\nP = G[int]",
        '{"a": 1}',
        "G[int](a=1)",
    ),
    "model with a default that JSON lacks": (
        "class P(pydantic.BaseModel):\n    a: set[int] = {1}\n    b: float = float('inf')",
        "{}",
        "P(a={1}, b=inf)",
    ),
    "model with an alias": ("class P(pydantic.BaseModel): a: int = pydantic.Field(alias='b')", '{"b": 1}', "P(a=1)"),
    "root model of a dict": ("class P(pydantic.RootModel[dict[str, int]]): pass", '{"a": 1}', "P(root={'a': 1})"),
    "recursive model": ("class P(pydantic.BaseModel): a: 'P | None' = None", '{"a": {}}', "P(a=P(a=None))"),
}

# Name: the text that declares P, and what the refusal says.
REFUSED: dict[str, tuple[str, str]] = {
    "plain class": ("class P:\n    def __init__(self, a: int): self.a = a", r"JSON has no <class 'users_tasks\.P'>"),
    "abstract class": ("class P(abc.ABC): a: int", "JSON has no"),
    "protocol": ("class P(Protocol): a: int", "JSON has no"),
    "object": ("P = object", "for which `Any` is the annotation"),
    "dict of objects": ("P = dict[str, object]", "for which `Any` is the annotation"),
    "for type checkers only": (
        "if TYPE_CHECKING: from decimal import Decimal as Price\nclass P(Struct): a: 'Price'",
        "'Price' is not defined",
    ),
    "for type checkers only, dataclass": (
        "if TYPE_CHECKING: from decimal import Decimal as Price\n@dataclass\nclass P: a: 'Price'",
        "'Price' is not defined",
    ),
    "for type checkers only, model": (
        "if TYPE_CHECKING: from decimal import Decimal as Price\nclass P(pydantic.BaseModel): a: 'Price'",
        "pydantic cannot read it: .*not fully defined.*Price",
    ),
    "unknown name deep inside": (
        "class A(Struct): a: 'Nope'\nclass P(Struct): all: dict[str, list[A]]",
        "'Nope' is not defined",
    ),
    "two structs": ("class A(Struct): a: int\nclass B(Struct): b: int\nP = A | B", "must be tagged"),
    "struct or dict": ("class A(Struct): a: int\nP = A | dict", "not contain more than one dict-like type"),
    "two dataclasses": ("@dataclass\nclass A: a: int\n@dataclass\nclass B: b: int\nP = A | B", "more than one"),
    "list": ("P = list[int]", "a payload is a JSON object"),
    "text": ("P = str", "a payload is a JSON object"),
    "named tuple": ("class P(NamedTuple): a: int", "a payload is a JSON object"),
    "array": ("class P(Struct, array_like=True): a: int", "a payload is a JSON object"),
    "raw": ("P = msgspec.Raw", "a payload is a JSON object"),
    "enum": ("class P(enum.Enum): X = 1", "a payload is a JSON object"),
    "enum of tuples": ("class E(enum.Enum): X = (1, 2)\nclass P(Struct): a: E", "all str or all int"),
    "ordered dict": ("P = collections.OrderedDict[str, int]", "JSON has no"),
    "subclass of dict": ("class P(dict): pass", "JSON has no"),
    "function inside": ("class P(Struct): a: Callable[[], int]", "JSON has no"),
    "class inside": ("class P(Struct): a: type[int]", "JSON has no"),
    "complex number": ("class P(Struct): a: complex", "JSON has no <class 'complex'>"),
    "path": ("import pathlib\nclass P(Struct): a: pathlib.Path", r"JSON has no <class 'pathlib\..*Path'>"),
    "post_init with a parameter": (
        "@dataclass\nclass P:\n    a: int = 1\n    def __post_init__(self, b): ...",
        "the `__post_init__` of P takes more than `self`",
    ),
    "async post_init": (
        "class P(Struct):\n    a: int = 1\n    async def __post_init__(self): ...",
        "`async def __post_init__`, which is not awaited",
    ),
    "init variable": ("@dataclass\nclass P:\n    a: int\n    b: InitVar[int] = 0", "InitVar"),
    "init=False": ("@dataclass\nclass P:\n    a: int\n    b: int = field(init=False)", "a field with `init=False`"),
    "own __init__": (
        "@dataclass\nclass P:\n    a: int\n    def __init__(self, a): self.a = a * 2",
        "an `__init__` of its own",
    ),
    "inherited __init__": (
        "@dataclass\nclass A: a: int\nclass P(A):\n    def __init__(self): self.a = 2",
        "an `__init__` of its own",
    ),
    "own __init__ inside": (
        "@dataclass\nclass A:\n    a: int\n    def __init__(self): self.a = 2\nclass P(Struct): all: list[A]",
        "the dataclass A has an `__init__` of its own",
    ),
    "dataclass of pydantic": ("@pydantic.dataclasses.dataclass\nclass P: a: int", "the dataclass P is one of pydantic"),
    "dataclass of pydantic inside": (
        "@pydantic.dataclasses.dataclass\nclass A: a: int\nclass P(Struct): a: A",
        "the dataclass A is one of pydantic",
    ),
    "model inside": ("class A(pydantic.BaseModel): a: int\nclass P(Struct): a: A", "JSON has no"),
    "two models": (
        "class A(pydantic.BaseModel): a: int\nclass B(pydantic.BaseModel): b: int\nP = A | B",
        "cannot read it",
    ),
    "model without schema": (
        "class A: pass\nclass P(pydantic.BaseModel, arbitrary_types_allowed=True): a: A",
        "pydantic cannot read it",
    ),
    "model with a function": ("class P(pydantic.BaseModel): a: Callable[[], int]", "pydantic cannot read it"),
    "root model of a list": ("class P(pydantic.RootModel[list[int]]): pass", "a payload is a JSON object"),
    "default that UTF-8 lacks": ("class P(Struct): a: str = '\\ud800'", "surrogates not allowed"),
    "annotation that raises": ("class P(Struct): a: '1 / 0'", "division by zero"),
}


@pytest.mark.parametrize(("text", "payload", "read"), WORKING.values(), ids=WORKING)
@pytest.mark.filterwarnings("ignore::pydantic.json_schema.PydanticJsonSchemaWarning")
def test_a_payload_that_is_accepted_works(
    load_payload: Callable[[str], ModuleType], text: str, payload: str, read: str
) -> None:
    load_payload(text)
    kind = declared()["handler"]
    assert kind.handler
    assert repr(kind.handler.call(kind.handler.decode(payload), None)) == read  # type: ignore[arg-type]
    assert repr(kind.read_payload(msgspec.json.decode(payload))).replace("1.1'", "1.10'") == read
    assert msgspec.json.encode(kind.payload_schema)


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_a_payload_that_cannot_work_is_refused_with_a_sentence(
    load_payload: Callable[[str], ModuleType], text: str, message: str
) -> None:
    with pytest.raises(BadTaskType, match=message) as refused:
        load_payload(text)
    sentence = str(refused.value)
    assert "users_tasks.py:" in sentence
    assert "cannot be a payload" in sentence
    assert "Write a msgspec Struct, a dataclass, a TypedDict, a dict or a pydantic model." in sentence
    assert "\n" not in sentence
