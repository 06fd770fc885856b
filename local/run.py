"""`make run`: the whole service on one machine.

Starts the servers, then the migrations, then every process of the Procfile; stops in the reverse order.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

from local import InUseError, RunError
from local.files import lock
from local.formation import Formation
from local.output import Output
from local.procfile import RELEASE, formation, read_procfile
from local.stores import open_stores
from local.web import PORT, base_url, not_ready_because, running_url, web_port, welcome_to, write_run_file

TOP = Path(__file__).resolve().parent.parent
ANY_SERVERS = {"DATABASE_URL": "postgresql://127.0.0.1/x", "REDIS_URL": "redis://127.0.0.1/0"}  # placeholders
# For commands beside the run, which need the same task types and places in the stores.
SHARED = ("TASK_MODULES", "EXTERNAL_TASK_TYPES", "DATABASE_SCHEMA", "REDIS_PREFIX")
VAR = Path(os.environ.get("PUNCTUAL_VAR", TOP / "var"))  # benchmarks use another folder


class Stopped(BaseException):
    """A signal stopped the run before its processes were started."""


def main() -> int:
    """Run until stopped; return the exit code."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _raise_stopped)
        return _run_alone()
    except Stopped:
        return 0


def _run_alone() -> int:
    VAR.mkdir(exist_ok=True)
    try:
        held = lock(VAR / "run.lock")
    except InUseError:
        print(f"Punctual is already running at {running_url(VAR)}; the settings of this call were not applied")
        return 1
    with held, Output(VAR / "log" / "run.log") as output:
        try:
            _run(output)
        except RunError as problem:
            output.say(f"Punctual does not run: {problem}")
            return 1
    return 0


def _run(output: Output) -> None:
    commands = read_procfile(TOP / "Procfile")
    members = formation(commands, os.environ)
    port = web_port(os.environ, VAR)
    if port != PORT and not os.environ.get("PORT"):
        output.say(f"Port {PORT} is taken, the API answers on {port}")
    wanted = _environment(os.environ, port)
    with ExitStack() as stack:
        checked = stack.enter_context(_preflight(wanted))
        addresses = open_stores(os.environ, VAR, stack, output.say) | {"BASE_URL": base_url(wanted["HOST"], port)}
        _require_success(checked)
        environment = wanted | addresses
        values = addresses | {name: os.environ[name] for name in SHARED if os.environ.get(name)}
        stack.callback(write_run_file(VAR, values).unlink, missing_ok=True)
        _release(commands[RELEASE], environment, output)
        _keep_running(members, environment, output)


def _environment(given: Mapping[str, str], port: int) -> dict[str, str]:
    """Return the environment of the processes: as on a server, but reachable from this machine only, with fewer logs.

    On a terminal, log lines are formatted for people. A line for each request would cost two thirds of the throughput.
    """
    return {
        "HOST": "127.0.0.1",
        "LOG_REQUESTS": "errors",
        "LOG_FORMAT": "console" if sys.stdout.isatty() else "auto",
        **{name: value for name, value in given.items() if value},
        "PORT": str(port),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), given.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": "1",
        "TZ": "UTC",
    }


@contextmanager
def _preflight(environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Check the settings once, while the servers start, instead of once in each process."""
    with subprocess.Popen(
        [sys.executable, "-m", "app.preflight"],
        cwd=TOP,
        env={**ANY_SERVERS, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as check:
        try:
            yield check
        finally:
            check.kill()


def _require_success(check: subprocess.Popen[str]) -> None:
    said = check.communicate()[0].strip()
    if check.returncode:
        raise RunError(said)


def _release(command: str, environment: Mapping[str, str], output: Output) -> None:
    """Run the migrations in a session of their own, which Ctrl-C in the terminal does not reach."""
    with subprocess.Popen(  # noqa: S602 - a line of our Procfile
        f"exec {command}",
        shell=True,
        cwd=TOP,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as release:
        try:
            output.write(release.communicate()[0])
        except Stopped:
            release.terminate()
            raise
    if release.returncode:
        raise RunError(f"`{command}` failed with code {release.returncode}, see above")


def _keep_running(members: Mapping[str, str], environment: Mapping[str, str], output: Output) -> None:
    problems: list[str] = []

    def welcome() -> None:
        answer = not_ready_because(environment["BASE_URL"])
        if answer is None:
            output.write(welcome_to(environment["BASE_URL"], VAR))
        else:
            problems.append(f"{environment['BASE_URL']}/ready does not answer 200, but: {answer}")
            os.kill(os.getpid(), signal.SIGTERM)

    manager = Formation(output, environment, beside=welcome)
    for name, command in members.items():
        manager.add(name, command)
    manager.loop()
    if problems:
        raise RunError(problems[0])
    if not manager.stopped_on_request():
        raise RunError("a process could not be kept running, see above")


def _raise_stopped(_number: int, _frame: object) -> NoReturn:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # a second signal must not interrupt the stop
    raise Stopped


if __name__ == "__main__":
    sys.exit(main())
