"""What comes next for a delivery: before an attempt, by what is on record; after it, by how it ended. Pure."""

from datetime import datetime, timedelta

import msgspec

RETRY_AFTER_AT_MOST = timedelta(hours=1)
JITTER_AT_MOST = 0.2

# ── how an attempt ended ──


class Responded(msgspec.Struct, frozen=True):
    """An answer came. `retry_after` is how long its Retry-After asks to wait; `body` its first kilobyte."""

    status_code: int
    retry_after: timedelta | None = None
    body: bytes = b""

    def __str__(self) -> str:
        return str(self.status_code)


class Failed(msgspec.Struct, frozen=True):
    """No answer came. `error` is `timeout`, `dns`, `tls`, `connection` or `other`."""

    error: str

    def __str__(self) -> str:
        return self.error


class Blocked(msgspec.Struct, frozen=True):
    """The name leads to an address that a delivery must not reach."""

    address: str

    def __str__(self) -> str:
        return "blocked"


Outcome = Responded | Failed | Blocked

# ── what follows ──


class Delivered(msgspec.Struct, frozen=True):
    """The receiver has it."""


class RetryLater(msgspec.Struct, frozen=True):
    delay: timedelta


class Exhausted(msgspec.Struct, frozen=True):
    """The schedule has no further wait."""


class GiveUp(msgspec.Struct, frozen=True):
    reason: str
    disables_endpoint: bool = False


Verdict = Delivered | RetryLater | Exhausted | GiveUp


class Schedule(msgspec.Struct, frozen=True):
    """The waits after the first, second, … failed attempt; one attempt more than there are waits."""

    waits: tuple[timedelta, ...]

    def after(self, attempt: int, *, jitter: float, floor: timedelta | None = None) -> RetryLater | Exhausted:
        """`attempt` counts from 1; `jitter`, in [0, 1), lengthens a wait by up to a fifth, and never shortens it."""
        if attempt > len(self.waits):
            return Exhausted()
        wait = max(self.waits[attempt - 1], min(floor or timedelta(), RETRY_AFTER_AT_MOST))
        return RetryLater(wait * (1 + JITTER_AT_MOST * jitter))


def judge(outcome: Outcome | None, attempt: int, schedule: Schedule, *, jitter: float) -> Verdict:
    """What to do after attempt number `attempt`, which counts from 1.

    `outcome` is None where the operational endpoint is disabled or deleted, so that nothing was posted.
    """
    match outcome:
        case None:
            return GiveUp("cancelled")
        case Responded(status) if 200 <= status < 300:
            return Delivered()
        case Responded(410):
            return GiveUp("gone", disables_endpoint=True)
        case Responded(429 | 502 | 503 | 504, retry_after=floor):
            return schedule.after(attempt, floor=floor, jitter=jitter)
        case Blocked(address):
            return GiveUp(f"{address} is not allowed")
        case _:
            return schedule.after(attempt, jitter=jitter)


# ── before an attempt ──


class Post(msgspec.Struct, frozen=True):
    attempt: int


class Wait(msgspec.Struct, frozen=True):
    """`is_placed`: for a place in a line that the delivery has just got."""

    delay: timedelta
    is_placed: bool = False


class Settled(msgspec.Struct, frozen=True):
    """The last attempt was final: nothing is left to post. `status` and `outcome` are how it ended."""

    status: str = ""
    outcome: str = ""


class LastAttempt(msgspec.Struct, frozen=True):
    """The newest attempt on record; `next_attempt_at` is None where it was final."""

    number: int
    next_attempt_at: datetime | None
    status: str = ""
    outcome: str = ""


def next_step(last: LastAttempt | None, now: datetime) -> Post | Wait | Settled:
    if last is None:
        return Post(1)
    if last.next_attempt_at is None:
        return Settled(last.status, last.outcome)
    if last.next_attempt_at > now:
        return Wait(last.next_attempt_at - now)
    return Post(last.number + 1)
