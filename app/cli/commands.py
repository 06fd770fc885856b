"""The command group `punctual`: all commands, and their exit codes."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import cast

import click

from app.cli.doctor.command import doctor
from app.cli.keys import keys
from app.cli.stats import stats
from app.cli.task import task

# Load and verification scripts are not part of the product. They are imported when called, so `app` runs without them.
TOOLS = {"submit": "tools.submit", "verify": "tools.verify"}
FOLDER = Path(__file__).parents[2] / "tools"


class Commands(click.Group):
    """The commands of `app.cli`, and those of `tools` where that folder is present."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        return sorted([*super().list_commands(ctx), *(TOOLS if FOLDER.is_dir() else ())])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name; None if there is none."""
        command = super().get_command(ctx, cmd_name)
        if command is None and cmd_name in TOOLS and FOLDER.is_dir():
            module: ModuleType = import_module(TOOLS[cmd_name])
            return cast("click.Command", getattr(module, cmd_name))
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main() -> None:
    """Punctual: create tasks, look at them, delete them; check a run; make API keys; check an installation.

    \b
    Exit codes:
      0  done, and as it should be
      1  the service refused, or a check found something wrong
      2  wrong usage
      3  the service does not answer

    The service is looked for at --url (after the command), else PUNCTUAL_URL, else where a running `make run` answers
    (var/run.env), else http://127.0.0.1:8000. Where it asks for an API key: PUNCTUAL_API_KEY, or --key-file.
    """  # noqa: D301 - click reads the \b: keep these lines as they are


for command in (task, stats, keys, doctor):
    main.add_command(command)
