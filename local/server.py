"""An embedded server, started, restarted and stopped by the process that uses it.

It has a session of its own, so that Ctrl-C in a terminal does not reach it and its starter decides when it stops.
If the starter is killed, Linux stops the server; on other systems the next start ends the leftover.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from local import ServerError
from local.files import lock
from local.ports import free_port, recorded_port

START_SECONDS = 60.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.02
RETRY_SECONDS = 0.2
LOG_END_CHARACTERS = 2_000
CHILD = Path(__file__).with_name("child.py")


@dataclass(frozen=True)
class Program:
    """What is run, and how to connect to it.

    ``directory`` holds its port, log and lock, and belongs to the starter. ``room``, often the same folder, holds the
    data of the server and its ``pid_file``. ``prepare`` is called before each start, with the directory locked.
    """

    name: str
    directory: Path
    room: Path
    pid_file: Path
    command: Callable[[int], list[str]]
    url: Callable[[int], str]
    answers: Callable[[str], bool]
    stop_signal: signal.Signals
    prepare: Callable[[], None]
    user: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


class Server:
    """A running embedded server; leaving its context stops it.

    Start it from a thread that lives as long as the server: Linux takes the end of that thread as that of the starter.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    @property
    def url(self) -> str:
        """Its URL with the password; a restart does not change it."""
        return self.program.url(self.port)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process of the server; another one after a restart."""
        if self._process is None:
            raise ServerError(f"{self.program.name} was not started")
        return self._process

    @property
    def pid(self) -> int:
        """The process id of the server, for tests that kill or freeze it."""
        return self.process.pid

    def start(self) -> Self:
        """Start on the port of the last start if that is free, and wait until the server answers."""
        self._run(may_move=True)
        return self

    def restart(self) -> Self:
        """Stop the server if it runs, and start it on the same port with the same contents."""
        self.stop()
        self._run(may_move=False)
        return self

    def stop(self) -> None:
        """Stop the server, by SIGKILL if it does not end in time. May be repeated."""
        if self._process is not None and self._process.poll() is None:
            send_signal(self._process.pid, self.program.stop_signal)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def discard(self) -> None:
        """Stop the server and delete its data: for tests."""
        self.stop()
        shutil.rmtree(self.program.room, ignore_errors=True)
        shutil.rmtree(self.program.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self, *, may_move: bool) -> None:
        self._lock = self._lock or lock(self.program.directory / "lock")
        try:
            end_leftover(self.program.pid_file, self.program.stop_signal)
            self.program.prepare()
            self.port = self.port or free_port(recorded_port(self.program.directory / "port"))
            self._launch_until_it_answers(may_move=may_move)
        except BaseException:  # Ctrl-C, too, must leave nothing behind
            self.stop()
            raise

    def _launch_until_it_answers(self, *, may_move: bool) -> None:
        deadline = time.monotonic() + START_SECONDS
        while (output := self._launch(deadline)) is not None:
            if time.monotonic() > deadline or not _is_temporary(output):
                raise ServerError(f"{self.program.name} does not start; it said:\n{output}")
            if may_move and "address already in use" in output.lower():
                self.port = free_port()
            time.sleep(RETRY_SECONDS)
        (self.program.directory / "port").write_text(f"{self.port}\n")

    def _launch(self, deadline: float) -> str | None:
        """Start it once. Return None when it answers, otherwise the end of its output."""
        log = self.program.directory / "log"
        with log.open("ab") as output:
            begin = output.tell()
            self._process = _spawn(self.program, self.port, output)
        while self._process.poll() is None and time.monotonic() < deadline:
            if self.program.answers(self.url):
                return None
            time.sleep(POLL_SECONDS)
        return log.read_bytes()[begin:].decode(errors="replace")[-LOG_END_CHARACTERS:]


def end_leftover(pid_file: Path, stop_signal: signal.Signals) -> None:
    """End the server that a killed run left behind. A pid that another process has got since is left alone."""
    pid = _pid_in(pid_file)
    if pid is None:
        return
    if str(pid_file.parent) not in command_line(pid):
        # It ended, is a zombie, or its pid was reused: Postgres refuses to start while any process has that pid.
        # Children of a killed Postgres do not need the file: Postgres checks for them by its shared memory.
        pid_file.unlink()
        return
    send_signal(pid, stop_signal)
    deadline = time.monotonic() + STOP_SECONDS
    while command_line(pid):
        if time.monotonic() > deadline:
            send_signal(pid, signal.SIGKILL)
        time.sleep(POLL_SECONDS)


def send_signal(pid: int, number: signal.Signals) -> None:
    """Send a signal, followed by SIGCONT so that a stopped process gets it; ignore a process that has ended."""
    for each in (number, signal.SIGCONT):
        try:
            os.kill(pid, each)
        except ProcessLookupError:
            return


def command_line(pid: int) -> str:
    """Return the command line of a process; empty if it has ended or is a zombie."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            return ""
    listed = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    line = listed.stdout.strip()
    return "" if line.startswith("(") or "<defunct>" in line else line


def _pid_in(file: Path) -> int | None:
    try:
        return int(file.read_text().split()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return None


def _is_temporary(output: str) -> bool:
    """Return whether a later start may succeed: the port is taken, or children of a killed server still run."""
    return any(words in output.lower() for words in ("address already in use", "still in use", "lock file"))


def _spawn(program: Program, port: int, output: IO[bytes]) -> subprocess.Popen[bytes]:
    starter = [sys.executable, "-I", "-S", str(CHILD), str(os.getpid()), str(int(program.stop_signal))]
    return subprocess.Popen(
        [*starter, program.user or "-", *program.command(port)],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=program.pid_file.parent,
        env=dict(program.environment),
        start_new_session=True,
    )
