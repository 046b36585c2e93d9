"""What the benchmarks found, as a table on the screen and as a section of docs/benchmarks.md."""

import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import hookwatch
from tests.local_cloud.cloud import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
_SECTION = re.compile(r"^## .*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_BESIDE = ("ministack", "boto3", "pynamodb", "requests", "aws-lambda-powertools")


@dataclass(frozen=True, slots=True)
class Table:
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    is_text: bool = False

    def lines(self) -> list[str]:
        """In Markdown, its columns aligned: the first to the left, the others to the right, but for text."""
        if self.is_text:
            return [f"| {' | '.join(row)} |" for row in (self.columns, ["---"] * len(self.columns), *self.rows)]
        widths = [max(len(row[n]) for row in (self.columns, *self.rows)) for n in range(len(self.columns))]

        def line(row: Sequence[str]) -> str:
            padded = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            return f"| {' | '.join([row[0].ljust(widths[0]), *padded])} |"

        rules = [("-" * (width - 1) + ":") if n else "-" * width for n, width in enumerate(widths)]
        return [line(self.columns), line(rules), *map(line, self.rows)]


@dataclass(frozen=True, slots=True)
class Section:
    """One benchmark. `method` says how it was measured, or what else was done, `notes` what follows from it."""

    title: str
    method: str
    tables: Sequence[Table]
    notes: Sequence[str] = ()
    done: str = "Measured"

    def text(self, name: str) -> str:
        now = datetime.now(UTC)
        how = f"{self.method} {self.done} {now:%Y-%m-%d %H:%M} UTC by `make bench ONLY={name}`."
        blocks = [f"## {self.title}", how, *("\n".join(table.lines()) for table in self.tables), *self.notes]
        return "\n\n".join(blocks) + "\n"


def put(name: str, section: Section) -> None:
    """On the screen, and in the page in the place of what was measured before; a new one at its end."""
    text = section.text(name)
    print(f"\n{text}", flush=True)
    found = _SECTION.findall(PAGE.read_text()) if PAGE.exists() else []
    titles = [each.partition("\n")[0] for each in found]
    title = f"## {section.title}"
    kept = {**dict(zip(titles, found, strict=True)), title: text}
    PAGE.write_text("\n".join([_head(), *(each.rstrip() + "\n" for each in kept.values())]))


def _head() -> str:
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in _BESIDE)
    return f"""# Benchmarks

Written by `make bench`. Ratios are of things measured in turn, in one run on one machine, and hold elsewhere; times are
of this machine, and are there to be compared with each other. Hookwatch {hookwatch.__version__} on {_machine()},
Python {platform.python_version()}; {versions}.
"""


def _machine() -> str:
    cpus = Path("/proc/cpuinfo").read_text().count("processor\t:") if Path("/proc/cpuinfo").exists() else "?"
    return f"{platform.system()} {platform.machine()} with {cpus} processors"
