"""Services: one that all tests share that do not break it, and a factory for those that do."""

from __future__ import annotations

import tempfile
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
    from collections.abc import Iterator, Mapping

    from local.server import Server


HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder as slow: it starts processes of the service, or those that keep it running."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.slow)


class NewService(Protocol):
    """Makes a service of its own for one test; stopped when the test ends."""

    def __call__(
        self, environment: Mapping[str, str] | None = None, *, web: int = 1, promoter: int = 1, worker: int = 2
    ) -> Service:
        """Start so many processes, one sweeper and one scheduler, with these variables."""


@pytest.fixture(scope="package")
def stores() -> Iterator[Stores]:
    """Postgres, released; Valkeys to be had."""
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
    """The web site that `bar` asks in the shared service."""
    with BarSite() as site:
        yield site


@pytest.fixture(scope="package")
def service(stores: Stores, bar_site: BarSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The shared service: two workers, one of everything else."""
    with Service(stores, tmp_path_factory.mktemp("service"), {"BAR_URL": bar_site.url}) as made:
        yield made.start(web=1, promoter=1, worker=2, sweeper=1, scheduler=1)


@pytest.fixture
def new_service(stores: Stores, tmp_path: Path) -> Iterator[NewService]:
    """A service to be broken."""
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
    """What began, as told by the tasks themselves, beside the system."""
    return Witness(tmp_path / "witness")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Any:
    """Show the end of the logs of every running service with a failure."""
    report: pytest.TestReport = yield
    if report.failed:
        report.sections += [(f"service {each.directory.name}", each.logs()) for each in Service.running]
    return report
