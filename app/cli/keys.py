"""`keys`: create, list and revoke API keys, directly in Postgres, so that the first one can be created."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from app.api_key import ApiKey, Scope, digest, new_secret
from app.cli.options import DURATION, json_option, run_addresses
from app.cli.output import as_json as to_json, console, instant, key_list
from app.cli.service import ServiceUnavailable
from app.config import read_settings
from app.connections import connect_postgres
from app.errors import InvalidSetting, KeyNotFound, LedgerUnavailable, TooManyKeys
from app.ledger import keys as ledger
from app.ledger.calls import sentence

if TYPE_CHECKING:
    from sqlalchemy import Engine


@click.group()
def keys() -> None:
    """Create, list and revoke API keys.

    The settings of Postgres are read from the environment, else from a running `make run`.
    """


@keys.command()
@click.argument("name")
@click.option(
    "--scope", "scopes", type=click.Choice([scope.value for scope in Scope]), multiple=True, required=True,
    help="What the key may do (repeatable); admin includes all.",
)  # fmt: skip
@click.option(
    "--expires",
    "expires_in_s",
    type=DURATION,
    metavar="90d",
    help="How long the key is valid. [default: until it is revoked]",
)
@click.option("--max-pending", type=click.IntRange(0), help="Maximum number of scheduled tasks. [default: no limit]")
@json_option
def create(*, as_json: bool, name: str, scopes: tuple[str, ...], **limits: Any) -> None:
    """Create a key for NAME, the system that will use it.

    The key is printed once, alone on stdout. Only its SHA-256 is stored.
    """
    secret = new_secret()
    with _ledger() as engine:
        key = ledger.create(engine, name, digest(secret) or b"", {Scope(scope) for scope in scopes}, **limits)
    if as_json:
        click.echo(to_json({"key": secret, **_fields(key)}))
        return
    summary = f"Key {key.name!r} ({', '.join(sorted(key.scopes))}, {_until(key)})."
    click.echo(f"{summary} Copy it now; it will not be shown again:", err=True)
    click.echo(secret)


@keys.command("list")
@click.option("--all", "everything", is_flag=True, help="Include expired and revoked keys.")
@json_option
def list_(*, as_json: bool, everything: bool) -> None:
    """List valid keys by id and name. The keys themselves are never shown."""
    with _ledger() as engine:
        listed = [each for each in ledger.list_all(engine) if each.valid or everything]
    rows = [{**_fields(each.key), "valid": each.valid} for each in listed]
    if as_json:
        click.echo(to_json(rows))
    elif rows:
        console().print(key_list(rows))
    else:
        click.echo("No such keys.")


@keys.command()
@click.argument("key_id", metavar="ID", type=click.UUID)
@json_option
def revoke(*, as_json: bool, key_id: UUID) -> None:
    """Revoke the key ID. It stops working within 5 seconds, and its browser sessions end."""
    with _ledger() as engine:
        revoked = ledger.revoke(engine, key_id)
    if as_json:
        click.echo(to_json(_fields(revoked)))
    else:
        click.echo(f"{revoked.id} ({revoked.name}) is revoked.")


@contextmanager
def _ledger() -> Iterator[Engine]:
    """Connect to Postgres; turn its errors into exit codes."""
    try:
        engine = connect_postgres(read_settings(otherwise=run_addresses()), name="keys", pool=1)
        try:
            yield engine
        finally:
            engine.dispose()
    except InvalidSetting as wrong:
        raise click.UsageError(str(wrong)) from None
    except (KeyNotFound, TooManyKeys) as refused:
        raise click.ClickException(type(refused).__doc__ or "") from None
    except LedgerUnavailable as away:
        raise ServiceUnavailable(sentence(away)) from None


def _fields(key: ApiKey) -> dict[str, Any]:
    fields = asdict(key) | {"scopes": sorted(key.scopes)}
    return {name: instant(value) if name.endswith("_at") and value else value for name, value in fields.items()}


def _until(key: ApiKey) -> str:
    return f"valid until {instant(key.expires_at)}" if key.expires_at else "valid until it is revoked"
