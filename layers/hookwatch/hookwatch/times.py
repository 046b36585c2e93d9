"""Times as Hookwatch writes and reads them: RFC 3339, UTC, milliseconds, `Z`."""

from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)


def minute_of(moment: datetime) -> int:
    """In minutes since the epoch."""
    return int(moment.timestamp()) // 60


def hour_of(moment: datetime) -> int:
    """In hours since the epoch."""
    return int(moment.timestamp()) // 3600


def millisecond_of(moment: datetime) -> int:
    """In milliseconds since the epoch."""
    return round(moment.timestamp() * 1000)


def start_of(hour: int) -> datetime:
    """Of an hour since the epoch."""
    return datetime.fromtimestamp(hour * 3600, UTC)


def to_text(moment: datetime) -> str:
    """`2026-11-23T10:00:00.123Z`. Fixed width, so that texts sort as moments do."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_text(text: str) -> datetime:
    """The moment that `to_text` wrote.

    Raises:
        ValueError: the text is not a time.
    """
    return datetime.fromisoformat(text)
