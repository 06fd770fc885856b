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
    """Punctual: create, list, show and delete tasks; manage API keys; check a run or an installation.

    \b
    Exit codes:
      0  success
      1  the request was refused, or a check failed
      2  wrong usage
      3  the service does not answer

    The address of the service is --url (given after the command), else PUNCTUAL_URL, else that of a running `make run`
    (var/run.env), else http://127.0.0.1:8000. The API key is that of --key-file, else PUNCTUAL_API_KEY.
    """  # noqa: D301 - click reads the \b: keep these lines as they are


for command in (task, stats, keys, doctor):
    main.add_command(command)
