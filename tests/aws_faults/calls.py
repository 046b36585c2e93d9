"""Every call of AWS that a function makes, as docs/aws_calls.md lists them."""

import re
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "aws_calls.md"
_ROW = re.compile(
    r"^\| (?P<function>\w+) \| (?P<service>\w+) `(?P<operation>\w+)` \| `(?P<resource>\w+)`", re.MULTILINE
)


@dataclass(frozen=True, order=True)
class Call:
    """`resource` by its logical id in the template; of a transaction the table of its first part."""

    function: str
    service: str
    operation: str
    resource: str


def documented() -> set[Call]:
    return {Call(**row.groupdict()) for row in _ROW.finditer(DOCUMENT.read_text())}
