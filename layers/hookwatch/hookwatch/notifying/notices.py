"""OperationalEndpoint: of which receivers people are told, by their ids, and when: of a disabling once, of exhausted
deliveries once an hour.

The item says from when on a notice may be published. Whoever would publish it takes it first, for a minute: so no two
do, and where the one is killed the message that comes back finds the notice free again.
"""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from pynamodb.attributes import UnicodeAttribute

from hookwatch import tables, times, writes
from hookwatch.notifying.queue import Delivery

DISABLED, EXHAUSTED = "operational_endpoint.disabled", "delivery.exhausted"
_TAKEN_FOR = timedelta(minutes=1)  # longer than publishing takes, and shorter than a queue hides a message
_QUIET_FOR = timedelta(hours=1)
# How a delivery ends that was not delivered, although somebody was there.
FAILED_FOR_GOOD = frozenset({"exhausted", "given_up"})


class Notice(msgspec.Struct, frozen=True):
    """`application_id` is the event's, `reason` why the operational endpoint was disabled. No URL and no header: either
    may hold a secret."""

    kind: str
    operational_endpoint_id: str
    application_id: str
    event_id: str
    outcome: str
    reason: str
    taken_until: str

    @property
    def subject(self) -> str:
        """At most 100 characters of ASCII (SNS Publish)."""
        if self.kind == DISABLED:
            return f"Hookwatch disabled operational endpoint {self.operational_endpoint_id} ({self.reason})"
        return f"Hookwatch: a delivery to operational endpoint {self.operational_endpoint_id} is exhausted"

    @property
    def text(self) -> str:
        if self.kind == DISABLED:
            why = "it answered 410" if self.reason == "gone" else "no delivery to it has succeeded for days"
            said = f"Hookwatch has disabled an operational endpoint, for {why}. Nobody is told there any more."
            remedy = 'When its receiver works again, PATCH it with {"is_enabled": true}.'
        else:
            said = "A delivery has failed at its last attempt: the receiver was not told of the event."
            remedy = (
                "Others may have failed too: of one operational endpoint this is said once an hour. All of them:\n"
                f"GET /{self.operational_endpoint_id}/attempts?status=exhausted"
            )
        return (
            f"{said}\n\n"
            f"operational endpoint: {self.operational_endpoint_id}\n"
            f"application: {self.application_id}\n"
            f"event: {self.event_id}\n"
            f"last outcome: {self.outcome or 'unknown'}\n\n"
            f"{remedy}\n"
            "What to do: docs/operations.md, Receivers that fail.\n"
        )

    @property
    def attributes(self) -> dict[str, str]:
        """What a subscription can filter by."""
        return {
            "notice": self.kind,
            "operational_endpoint_id": self.operational_endpoint_id,
            "application_id": self.application_id,
        }


def take(delivery: Delivery, outcome: str, *, is_exhausted: bool, now: datetime) -> Notice | None:
    """What is to be published of the operational endpoint of a delivery that failed for good: one read, and a write
    where there is something. Whoever gets a notice publishes it, and then says so by `published`."""
    try:
        item = tables.OperationalEndpoint.get(delivery.operational_endpoint_id, consistent_read=True)
    except tables.OperationalEndpoint.DoesNotExist:
        return None
    moment = times.to_text(now)
    if item.disabled_notice_at and item.disabled_notice_at <= moment:
        kind, known = DISABLED, item.disabled_notice_at
    elif is_exhausted and (item.exhausted_notice_at or "") <= moment:
        kind, known = EXHAUSTED, item.exhausted_notice_at
    else:
        return None
    notice = Notice(
        kind=kind,
        operational_endpoint_id=delivery.operational_endpoint_id,
        application_id=delivery.tells_of()[0],
        event_id=delivery.event_id,
        outcome=outcome,
        reason=item.disabled_reason or "",
        taken_until=times.to_text(now + _TAKEN_FOR),
    )
    return notice if _move(notice, known, notice.taken_until) else None


def published(notice: Notice, now: datetime) -> None:
    """A disabling is told once and for all, an exhausted delivery for an hour."""
    quiet_until = None if notice.kind == DISABLED else times.to_text(now + _QUIET_FOR)
    _move(notice, notice.taken_until, quiet_until)


def _move(notice: Notice, known: str | None, until: str | None) -> bool:
    """False where somebody else was faster, or the operational endpoint is gone."""
    table = tables.OperationalEndpoint
    attribute: Any = _ATTRIBUTES[notice.kind]
    is_as_known = attribute.does_not_exist() if known is None else attribute == known
    action = attribute.remove() if until is None else attribute.set(until)
    is_there = table.operational_endpoint_id.exists()
    return writes.update_if(is_there & is_as_known, table(notice.operational_endpoint_id), action)


_ATTRIBUTES: dict[str, UnicodeAttribute] = {
    DISABLED: tables.OperationalEndpoint.disabled_notice_at,
    EXHAUSTED: tables.OperationalEndpoint.exhausted_notice_at,
}
