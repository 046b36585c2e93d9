"""The numbers of the rules. The deployment sets them (stack parameters), and an application may have its own."""

from datetime import timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Share = Annotated[float, Meta(gt=0, le=1)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
DisableAuthority = Literal["default", "hookwatch", "platform"]


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Shares are in (0, 1]; what each number does is in docs/operations.md, "What is detected".

    `disable_authority` `default` leaves it to who reports: `platform` for endpoints that a source reports, else
    `hookwatch`. The bounds of `reopens_within_minutes`, `late_after_seconds` and `message_failing_from_attempt` keep
    what one message of SIGNALS may yield within one transaction of DynamoDB.
    """

    opens_after_failures: Count = 10
    opens_after_seconds: Annotated[int, Meta(ge=0, le=86_400)] = 30
    opens_at_share: Share = 0.5
    opens_at_share_of_a_minute: Share = 0.8
    opens_from_attempts: Count = 20
    reopens_within_minutes: Annotated[int, Meta(ge=5, le=1_440)] = 15
    late_after_seconds: Annotated[int, Meta(ge=30, le=3_600)] = 300
    warns_after_hours: Annotated[tuple[Count, ...], Meta(max_length=5)] = (1, 24)
    warns_at_progress: Annotated[tuple[Share, ...], Meta(max_length=5)] = (0.5, 0.7, 0.9)
    disables_after_days: Annotated[int, Meta(ge=1, le=30)] = 5
    disables_after_failures: Count = 20
    disable_authority: DisableAuthority = "default"
    silent_after_days: Annotated[int, Meta(ge=1, le=30)] = 5
    message_failing_from_attempt: Annotated[int, Meta(ge=4, le=1_000)] = 4
    messages_told_at_most: Annotated[int, Meta(ge=0, le=20)] = 5
    degraded_at_share: Share = 0.2
    degraded_from_endpoints: Count = 5
    degraded_at_factor: Annotated[float, Meta(gt=1, le=1_000)] = 5.0
    degraded_from_attempts: Count = 100

    def __post_init__(self) -> None:
        for name in ("warns_after_hours", "warns_at_progress"):
            steps = getattr(self, name)
            if list(steps) != sorted(set(steps)):
                raise ValueError(f"the steps of `{name}` must rise")

    @property
    def closes_below_share(self) -> float:
        return self.opens_at_share / 2

    @property
    def closes_below_share_of_a_minute(self) -> float:
        return self.opens_at_share_of_a_minute / 2

    @property
    def opens_after(self) -> timedelta:
        return timedelta(seconds=self.opens_after_seconds)

    @property
    def reopens_within(self) -> timedelta:
        return timedelta(minutes=self.reopens_within_minutes)

    @property
    def late_after(self) -> timedelta:
        return timedelta(seconds=self.late_after_seconds)

    @property
    def disables_after(self) -> timedelta:
        return timedelta(days=self.disables_after_days)

    @property
    def silent_after(self) -> timedelta:
        return timedelta(days=self.silent_after_days)
