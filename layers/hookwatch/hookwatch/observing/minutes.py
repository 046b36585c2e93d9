"""Application, items `minute#<n>`: the attempts that an application reported in each minute since the epoch."""

from datetime import datetime

from hookwatch import tables, times

_HOUR = 60  # minutes
_KNOWN_AT_LEAST = 10  # minutes, before a minute is compared with those before it
_KEPT_DAYS = 1


def count(application_id: str, attempts: int, now: datetime) -> None:
    """Adds to the attempts reported in this minute: one write for each request."""
    table = tables.ApplicationTraffic
    item = item_of(times.minute_of(now))
    table(application_id, item).update(
        actions=[
            table.attempts.add(attempts),
            table.swept_with.set(item),
            table.expires_at.set(tables.expiry(now, _KEPT_DAYS)),
        ]
    )


def of_hour(application_id: str, minute: int) -> tuple[int, int | None]:
    """The attempts of `minute`, and the mean of the hour before it; None where fewer than ten minutes are known."""
    table = tables.Application
    between = table.item.between(item_of(minute - _HOUR), item_of(minute))
    counts = {item.item: int(item.attempts) for item in table.query(application_id, between)}
    attempts = counts.pop(item_of(minute), 0)
    known = minute - min((int(item.partition("#")[2]) for item in counts), default=minute)
    return attempts, round(sum(counts.values()) / known) if known >= _KNOWN_AT_LEAST else None


def item_of(minute: int) -> str:
    return f"minute#{minute}"
