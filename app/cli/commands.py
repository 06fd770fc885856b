"""All commands under one name, and what their exit codes mean."""

from __future__ import annotations

import click

from app.cli.doctor.command import doctor
from app.cli.keys import keys
from app.cli.stats import stats
from app.cli.submit import submit
from app.cli.task import task
from app.cli.verify import verify


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
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


for command in (task, submit, verify, stats, keys, doctor):
    main.add_command(command)
