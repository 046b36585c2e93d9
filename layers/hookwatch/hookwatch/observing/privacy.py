"""What of monitored endpoints is never kept and never told."""

import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

CHANGES_DEPTH = 20
# Fields of which a word begins so, wherever they stand. Words are parted by what is no letter, and by capitals.
_SECRET = re.compile(
    r"(?:^|[^a-z])(?:header|secret|token|password|passwd|passphrase|credential|cookie|signature"
    r"|auth(?:$|[^a-z]|oriz|entic)|(?:api|access|private|signing)[^a-z]?key)",
    re.IGNORECASE,
)
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_URL = re.compile(r"https?://[^\s\"'<>]+", re.IGNORECASE)


def is_secret(field: str) -> bool:
    return _SECRET.search(_CAPITAL.sub("_", field)) is not None


def cleaned(value: Any, depth: int = 0) -> Any:
    """JSON without fields that hold secrets, and with the URLs in its texts as `without_secrets` leaves them.

    Raises:
        ValueError: it is nested too deeply, or holds a URL that is none.
    """
    if depth > CHANGES_DEPTH:
        raise ValueError(f"changes are nested deeper than {CHANGES_DEPTH}")
    match value:
        case dict():
            return {field: cleaned(inner, depth + 1) for field, inner in value.items() if not is_secret(field)}
        case list():
            return [cleaned(inner, depth + 1) for inner in value]
        case str() if _URL.fullmatch(value):
            return without_secrets(value)
        case str():
            return _URL.sub(_without_secrets, value)
        case _:
            return value


def without_secrets(url: str) -> str:
    """The URL without userinfo, query and fragment, where platforms put tokens."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("is not a URL") from None  # what urlsplit says holds what was sent
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _without_secrets(found: re.Match[str]) -> str:
    try:
        return without_secrets(found.group())
    except ValueError:
        return "http://…"
