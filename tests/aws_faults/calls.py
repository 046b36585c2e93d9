"""Every call of AWS that a function makes, as docs/aws_calls.md lists them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "aws_calls.md"
_ROW = re.compile(r"^\| (\w+) `(\w+)` \| `(\w+)` \|", re.MULTILINE)


@dataclass(frozen=True, order=True)
class Call:
    """`resource` by its logical id in the template; of a transaction the table of its first part."""

    function: str
    service: str
    operation: str
    resource: str


def documented() -> list[Call]:
    return list(_documented())


def _documented() -> Iterator[Call]:
    for section in DOCUMENT.read_text().split("\n## ")[1:]:
        function = section.partition("\n")[0]
        for service, operation, resource in _ROW.findall(section):
            yield Call(function, service, operation, resource)
