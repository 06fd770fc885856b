"""One embedded server: started, waited for, restarted and stopped by the process that asked for it.

It is alone in its session, so that ctrl-C in a terminal does not reach it and its starter decides when it stops.
If the starter is killed, Linux stops the server; where that is not so, the next start ends the leftover.
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

from local.address import free_port, recorded_port
from local.errors import ServerError
from local.hold import hold
from local.leftover import ask, end_leftover

START_SECONDS = 60.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.02
RETRY_SECONDS = 0.2
LOG_END_CHARACTERS = 2_000
CHILD = Path(__file__).with_name("child.py")


@dataclass(frozen=True)
class Program:
    """What is run and how it is reached.

    ``directory`` holds its port, log and lock, and belongs to the starter. ``room``, often the same, holds what the
    server keeps, its ``pid_file`` among it.
    ``prepare`` is called before each start, when no other run can hold the directory.
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

    Start it in a thread that lives as long as it should: Linux takes the end of that thread for the end of the starter.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    @property
    def url(self) -> str:
        """Where it answers, password included; a restart does not change it."""
        return self.program.url(self.port)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The server's own process; another one after a restart."""
        if self._process is None:
            raise ServerError(f"{self.program.name} was not started")
        return self._process

    @property
    def pid(self) -> int:
        """The process id of the server itself, for tests that kill or freeze it."""
        return self.process.pid

    def start(self) -> Self:
        """Start on the port of the last time if it is still free, and wait until it answers."""
        self._run(may_move=True)
        return self

    def restart(self) -> Self:
        """Stop, unless it was killed already, and start on the same port with the same contents."""
        self.stop()
        self._run(may_move=False)
        return self

    def stop(self) -> None:
        """Ask it to stop, wait, kill it if it does not; harmless when it is not running."""
        if self._process is not None and self._process.poll() is None:
            ask(self._process.pid, self.program.stop_signal)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def discard(self) -> None:
        """Stop, and delete all it kept: for tests."""
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
        self._lock = self._lock or hold(self.program.directory / "lock")
        try:
            end_leftover(self.program.pid_file, self.program.stop_signal)
            self.program.prepare()
            self.port = self.port or free_port(recorded_port(self.program.directory / "port"))
            self._launch_until_it_answers(may_move=may_move)
        except BaseException:  # ctrl-C too must leave nothing behind
            self.stop()
            raise

    def _launch_until_it_answers(self, *, may_move: bool) -> None:
        deadline = time.monotonic() + START_SECONDS
        while (said := self._launch(deadline)) is not None:
            if time.monotonic() > deadline or not _may_pass(said):
                raise ServerError(f"{self.program.name} does not start; it said:\n{said}")
            if may_move and "address already in use" in said.lower():
                self.port = free_port()
            time.sleep(RETRY_SECONDS)
        (self.program.directory / "port").write_text(f"{self.port}\n")

    def _launch(self, deadline: float) -> str | None:
        """One attempt: None when it answers, otherwise the end of what it printed before it ended."""
        log = self.program.directory / "log"
        with log.open("ab") as output:
            begin = output.tell()
            self._process = _spawn(self.program, self.port, output)
        while self._process.poll() is None and time.monotonic() < deadline:
            if self.program.answers(self.url):
                return None
            time.sleep(POLL_SECONDS)
        return log.read_bytes()[begin:].decode(errors="replace")[-LOG_END_CHARACTERS:]


def _may_pass(said: str) -> bool:
    """Whether the reason to end is one that time heals: a taken port, or children of a killed server still going."""
    return any(words in said.lower() for words in ("address already in use", "still in use", "lock file"))


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
