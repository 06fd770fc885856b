"""The options of `make bench`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.parts import CURVE, EXTRAS, FAR, GROWN, TAKES, USUAL, WHAT, Part
from benchmarks.peers.measures import QUICK, WHOLE, Extent

ABOUT = "Measures the service, its limits and other schedulers on this machine: docs/benchmarks.md."


@dataclass(frozen=True, slots=True)
class Options:
    """What is measured, how often, and whether it is kept."""

    runs: int
    words: tuple[str, ...]
    extras: frozenset[str]
    peers: Extent | None
    keep: bool

    def parts(self) -> list[Part]:
        """Return the parts named by --only; without it, those without an option and those whose option is given."""
        if self.words:
            return [part for part in (*USUAL, *EXTRAS) if any(word in part.name for word in self.words)]
        return [*USUAL, *(part for part in EXTRAS if part.option in self.extras)]

    def left_out(self) -> list[str]:
        """Return what this run does not measure, with the option that adds it."""
        if self.words:
            return []
        missing = [option for option in TAKES if option not in self.extras]
        missing_parts = [f"{WHAT[option]} (--{option}, {TAKES[option]})" for option in missing]
        if self.peers is None:
            missing_parts.append("other schedulers (without --no-peers)")
        return missing_parts


def read_options(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=", description=ABOUT)
    parser.add_argument("--runs", type=int, default=3, help="how often each row is measured")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="WORD",
        help="rows whose name holds this word, extras too; may be repeated; no peers",
    )
    parser.add_argument("--grown", action="store_true", help=f"{WHAT[GROWN]}, too; {TAKES[GROWN]}")
    parser.add_argument("--far", action="store_true", help=f"{WHAT[FAR]}, too; {TAKES[FAR]}")
    parser.add_argument("--curve", action="store_true", help=f"{WHAT[CURVE]}, too; {TAKES[CURVE]}")
    parser.add_argument("--all", action="store_true", help="--grown, --far and --curve")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--peers", action="store_true", help="other schedulers thoroughly: bytes, too, and more repeats")
    which.add_argument("--no-peers", action="store_true", help="no other schedulers")
    parser.add_argument("--keep", action="store_true", help="keep table and graphs in benchmarks/results/")
    parsed = parser.parse_args(arguments)
    for word in parsed.only:
        if not any(word in part.name for part in (*USUAL, *EXTRAS)):
            parser.error(f"no row is named so: {word}")
    extras = frozenset(name for name in TAKES if parsed.all or getattr(parsed, name))
    without = parsed.no_peers or (parsed.only and not parsed.peers)
    peers = WHOLE if parsed.peers else None if without else QUICK
    return Options(parsed.runs, tuple(parsed.only), extras, peers, parsed.keep)
