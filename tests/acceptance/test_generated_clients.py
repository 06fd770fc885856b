"""Clients generated from the OpenAPI document: generators drop no part of it, and the clients work with a service."""

from __future__ import annotations

import hashlib
import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.processes import ROOT

if TYPE_CHECKING:
    from tests.acceptance.service import Service

TYPESCRIPT = Path(__file__).with_name("typescript")
OLDEST_NODE = 20
COMMAND_S = 240
NO_NETWORK = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "ENETUNREACH")
PACKAGE = "generated_client"

pytestmark = pytest.mark.timeout(600)  # compilers on a busy machine


def run(*command: str | Path, cwd: Path) -> str:
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=COMMAND_S, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


@pytest.fixture
def folder(service: Service, tmp_path: Path) -> Path:
    """A folder with the document of the service."""
    document = service.client.request("GET", "/openapi.json").json()
    (tmp_path / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
    return tmp_path


@pytest.fixture
def generated(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Generate a client with openapi-python-client; return the function that imports its modules."""
    (folder / "config.yml").write_text("post_hooks: []\n", encoding="utf-8")
    printed = run(
        sys.executable, "-m", "openapi_python_client", "generate", "--path", "openapi.json", "--config", "config.yml",
        "--meta", "none", "--output-path", PACKAGE, cwd=folder,
    )  # fmt: skip
    assert "warning" not in printed.lower(), printed
    monkeypatch.syspath_prepend(str(folder))
    yield lambda name: importlib.import_module(f"{PACKAGE}.{name}")
    for name in [each for each in sys.modules if each.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


@pytest.fixture
def call(service: Service, generated: Any) -> Iterator[Any]:
    """Call operations of the generated client by name."""
    client = generated("client").Client(base_url=service.url, httpx_args={"trust_env": False})

    def operate(operation: str, **arguments: Any) -> Any:
        tag = "claims" if operation in {"claim_next_task", "complete_task"} else "tasks"
        return generated(f"api.{tag}.{operation}").sync(client=client, **arguments)

    with closing(client.get_httpx_client()):
        yield operate


def test_a_python_client_creates_lists_shows_deletes_and_claims(generated: Any, call: Any) -> None:
    models = generated("models")
    payload = models.NewTaskPayload.from_dict({"any": [1, None]})
    new = models.NewTask(type_=models.TypeName.BAZ, delay_s=3600.0, payload=payload, max_attempts=2)
    created = call("create_task", body=new)
    assert isinstance(created, models.CreatedTask)
    assert (created.state, created.max_attempts) == (models.TaskState.SCHEDULED, 2)
    assert created.payload.to_dict() == {"any": [1, None]}
    assert created.execute_at > created.created_at
    listed = call("list_tasks", state=[models.TaskState.SCHEDULED], type_=["baz", "removed"], q=str(created.id))
    assert [each.id for each in listed.tasks] == [created.id]
    assert call("show_task", task_id=created.id).execute_at == created.execute_at
    assert call("delete_task", task_id=created.id).state is models.TaskState.DELETED
    gone = call("show_task", task_id=created.id)
    assert isinstance(gone, models.Problem)
    assert gone.type_ == "/problems/task-deleted"
    refused = call("create_task", body=models.NewTask(type_=models.TypeName.BAZ))
    assert "execute_at" in refused.details["fields"]

    outside = models.NewTask(type_=models.TypeName.OUTSIDE, delay_s=0.0)
    (task_id,) = call("create_tasks", body=models.NewTasks(tasks=[outside])).ids
    claim = models.ClaimNext(worker_id="python", type_=models.ExternalTypeName.OUTSIDE, wait_s=10.0)
    lease = call("claim_next_task", body=claim)
    assert (type(lease), lease.id) == (models.Lease, task_id)
    done = models.Completion(claim_token=lease.claim_token, result={"pages": 3})
    assert call("complete_task", task_id=task_id, body=done).result == {"pages": 3}


def test_operations_and_models_of_a_python_client_have_plain_names(folder: Path, generated: Any) -> None:
    operations = {each.stem for each in (folder / PACKAGE / "api").glob("*/*.py")} - {"__init__"}
    assert operations >= {"create_task", "create_tasks", "list_tasks", "show_task", "delete_task", "claim_next_task"}
    assert len(operations) == sum(
        method in item
        for item in json.loads((folder / "openapi.json").read_text(encoding="utf-8"))["paths"].values()
        for method in ("get", "post", "put", "patch", "delete")
    )
    assert generated("models").NewTask.__annotations__["max_attempts"] == "int | Unset"


@pytest.fixture(scope="module")
def node_modules() -> Path:
    """The packages of package-lock.json, installed once; skip without node, npm or their registry."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not installed")
    version = run("node", "--version", cwd=ROOT).strip()
    if int(version.lstrip("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"node is {version}, older than {OLDEST_NODE}")
    lock = (TYPESCRIPT / "package-lock.json").read_bytes()
    place = ROOT / "var" / f"typescript-{hashlib.sha256(lock).hexdigest()[:12]}"
    installed = place / "node_modules"
    if not (place / "complete").exists():
        place.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(TYPESCRIPT / name, place)
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        ran = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=COMMAND_S, check=False)
        if ran.returncode and any(each in ran.stderr for each in NO_NETWORK):
            pytest.skip("the npm registry does not answer")
        assert ran.returncode == 0, ran.stderr
        (place / "complete").touch()
    return installed


def test_a_typescript_client_creates_lists_shows_deletes_and_claims(
    service: Service, folder: Path, node_modules: Path
) -> None:
    for name in ("package.json", "tsconfig.json", "use.ts"):
        shutil.copy(TYPESCRIPT / name, folder)
    (folder / "node_modules").symlink_to(node_modules)
    binaries = node_modules / ".bin"
    run(binaries / "openapi-typescript", "openapi.json", "--output", "api.ts", cwd=folder)
    run(binaries / "tsc", "--project", "tsconfig.json", cwd=folder)
    printed = json.loads(run("node", "built/use.js", service.url, cwd=folder))
    assert printed == {
        "listed": [True],
        "attempts": 1,
        "deleted": "deleted",
        "gone": "/problems/task-deleted",
        "claimed": [True],
        "done": "succeeded",
        "result": {"pages": 3},
    }
