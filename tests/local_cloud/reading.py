"""What lies in a table or on a queue, as text that can be searched."""

import json
import zlib
from contextlib import suppress
from typing import Any


def readable(value: Any) -> str:
    """As JSON, bytes as the text that they hold."""
    return json.dumps(value, default=lambda found: _as_text(found) if isinstance(found, bytes) else str(found))


def _as_text(found: bytes) -> str:
    with suppress(zlib.error):  # else it is not compressed
        found = zlib.decompress(found)
    return found.decode("latin-1")
