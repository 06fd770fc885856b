"""The whole service on one machine, by one command: `make run`.

Servers first, then the migrations, then every process of the Procfile; stopped in the reverse order.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from local.errors import InUseError, RunError
from local.formation import Formation
from local.hold import hold
from local.output import Output
from local.procfile import RELEASE, formation, read_procfile
from local.ready import not_ready_because, welcome_to
from local.stores import open_stores
from local.web import PORT, running_url, web_port, write_run_file

if TYPE_CHECKING:
    from collections.abc import Mapping

TOP = Path(__file__).resolve().parent.parent
TYPES = ("TASK_MODULES", "EXTERNAL_TASK_TYPES")  # for commands beside the run: they must know the same types
VAR = Path(os.environ.get("PUNCTUAL_VAR", TOP / "var"))  # benchmarks run a service of their own


class Stopped(BaseException):
    """Somebody stopped the run before it was going."""


def main() -> int:
    """Run until stopped; the exit code."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _raise_stopped)
        return _run_alone()
    except Stopped:
        return 0


def _run_alone() -> int:
    VAR.mkdir(exist_ok=True)
    try:
        lock = hold(VAR / "run.lock")
    except InUseError:
        print(f"Punctual is already running at {running_url(VAR)}")
        return 0
    with lock, Output(VAR / "log" / "run.log") as output:
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
    with ExitStack() as stack:
        addresses = open_stores(os.environ, VAR, stack, output.say) | {"BASE_URL": f"http://127.0.0.1:{port}"}
        environment = _environment(addresses, port)
        told = addresses | {name: os.environ[name] for name in TYPES if os.environ.get(name)}
        stack.callback(write_run_file(VAR, told).unlink, missing_ok=True)
        _release(commands[RELEASE], environment, output)
        _keep_running(members, environment, output)


def _environment(addresses: Mapping[str, str], port: int) -> dict[str, str]:
    """What the processes are told: as on a server, but reachable from this machine only."""
    return {
        "HOST": "127.0.0.1",
        **os.environ,
        **addresses,
        "PORT": str(port),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": "1",
        "TZ": "UTC",
    }


def _release(command: str, environment: Mapping[str, str], output: Output) -> None:
    """Run the migrations; ctrl-C in the terminal does not reach them, so that they are ended in order."""
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
            output.write(welcome_to(environment["BASE_URL"], environment["DATABASE_URL"]))
        else:
            problems.append(f"{environment['BASE_URL']}/ready does not answer 200, but: {answer}")
            os.kill(os.getpid(), signal.SIGTERM)

    all_of_it = Formation(output, environment, beside=welcome)
    for name, command in members.items():
        all_of_it.add(name, command)
    all_of_it.loop()
    if problems:
        raise RunError(problems[0])
    if not all_of_it.stopped_on_request():
        raise RunError("a process could not be kept running, see above")


def _raise_stopped(_number: int, _frame: object) -> NoReturn:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # stopping needs a moment, and is not to be interrupted
    raise Stopped


if __name__ == "__main__":
    sys.exit(main())
