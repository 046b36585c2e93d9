"""Whether the receiver behind an operational endpoint works, by how its attempts end. Written when that changes."""

from datetime import datetime, timedelta

import msgspec

from hookwatch import times
from hookwatch.notifying import endpoints
from hookwatch.notifying.attempts import Attempted
from hookwatch.notifying.endpoints import OperationalEndpoint
from hookwatch.notifying.retry import Delivered, GiveUp, RetryLater


class Works(msgspec.Struct, frozen=True):
    """It takes deliveries, for the first time or again."""

    def __str__(self) -> str:
        return "works"


class Fails(msgspec.Struct, frozen=True):
    since: datetime

    def __str__(self) -> str:
        return "fails"


class IsDead(msgspec.Struct, frozen=True):
    """`reason` is `gone` (it said so) or `failing` (no delivery succeeded for days)."""

    reason: str

    def __str__(self) -> str:
        return f"dead: {self.reason}"


Change = Works | Fails | IsDead


def judge(endpoint: OperationalEndpoint, attempted: Attempted, dead_after: timedelta) -> Change | None:
    """What an attempt changes; None where it is as it was. Pure.

    Only a delivery that failed for good is held against a receiver that has been failing for `dead_after`: one event a
    week is tried as often as it may be before its receiver is given up.
    """
    match attempted.verdict:
        case Delivered():
            return Works() if endpoint.is_doubtful else None
        case GiveUp(disables_endpoint=True, reason=reason):
            return IsDead(reason)
        case RetryLater():
            return None if endpoint.failing_since else Fails(attempted.attempted_at)
    if endpoint.failing_since is None:
        return Fails(attempted.attempted_at)
    failing_for = attempted.attempted_at - times.from_text(endpoint.failing_since)
    return IsDead("failing") if failing_for >= dead_after else None


def note(endpoint: OperationalEndpoint, change: Change) -> bool:
    """Puts it on record. Whether it was news: another attempt may have said so first, or the endpoint has changed."""
    match change:
        case Works():
            return endpoints.succeed(endpoint)
        case Fails(since):
            return endpoints.begin_failing(endpoint, since)
        case IsDead(reason):
            return endpoints.disable(endpoint, reason, while_failing=reason == "failing")
