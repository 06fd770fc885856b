"""Services: one shared by all tests that do not break it, and a factory for those that do."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.acceptance.bar_site import BarSite
from tests.acceptance.service import Service
from tests.acceptance.stores import Stores
from tests.acceptance.witness import Witness

if TYPE_CHECKING:
    from local.server import Server


HERE = Path(__file__).parent
KEEP_ALIVE_S = 15.0


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder as slow: each starts processes."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.slow)


class NewService(Protocol):
    """Starts a service for one test; it is stopped when the test ends."""

    def __call__(
        self, environment: Mapping[str, str] | None = None, *, web: int = 1, promoter: int = 1, worker: int = 2
    ) -> Service:
        """Start these numbers of processes, a sweeper and a scheduler, with additional environment variables."""


@pytest.fixture(scope="package")
def stores() -> Iterator[Stores]:
    """A migrated Postgres, and a source of Valkey servers."""
    with tempfile.TemporaryDirectory(prefix="punctual-acceptance-") as folder:
        Path(folder).chmod(0o755)
        with Stores(Path(folder)) as made:
            yield made


@pytest.fixture(scope="module")
def bouncer(stores: Stores) -> Iterator[Server]:
    """PgBouncer in front of Postgres."""
    made = stores.new_pgbouncer()
    yield made
    made.discard()


@pytest.fixture(scope="package")
def bar_site() -> Iterator[BarSite]:
    """The web site that `bar` requests in the shared service."""
    with BarSite() as site:
        yield site


@pytest.fixture(scope="package")
def service(stores: Stores, bar_site: BarSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The shared service: two workers, one of each other process. It ends idle connections soon."""
    environment = {"BAR_URL": bar_site.url, "KEEP_ALIVE_S": f"{KEEP_ALIVE_S}"}
    with Service(stores, tmp_path_factory.mktemp("service"), environment) as made:
        yield made.start(web=1, promoter=1, worker=2, sweeper=1, scheduler=1)


@pytest.fixture
def new_service(stores: Stores, tmp_path: Path) -> Iterator[NewService]:
    """A factory of services that a test may break."""
    numbers = count(1)
    with ExitStack() as stack:

        def make(
            environment: Mapping[str, str] | None = None, *, web: int = 1, promoter: int = 1, worker: int = 2
        ) -> Service:
            made = stack.enter_context(Service(stores, tmp_path / f"service-{next(numbers)}", environment or {}))
            return made.start(web=web, promoter=promoter, worker=worker, sweeper=1, scheduler=1)

        yield make


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    """A file in which the handlers themselves record when they start, independent of the service."""
    return Witness(tmp_path / "witness")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Any:
    """Add the end of the logs of every running service to the report of a failed test."""
    report: pytest.TestReport = yield
    if report.failed:
        report.sections += [(f"service {each.directory.name}", each.logs()) for each in Service.running]
    return report
