"""SIGNALS in memory: message groups, visibility, receives, a dead-letter queue and its redrive, as SQS has them."""

import itertools
from dataclasses import dataclass, field
from typing import Any

from hookwatch.observing.signals import Report

_ids = itertools.count()
_DEDUPLICATED_SECONDS = 300


@dataclass
class Held:
    """A message. `receipt` is of its last receive; `hidden_until` in seconds."""

    report: Report
    body: str
    number: int
    message_id: str = field(default_factory=lambda: f"message {next(_ids)}")
    receives: int = 0
    hidden_until: float = 0
    receipt: str = ""


@dataclass
class Fifo:
    """A group hands out what stands at its front, and nothing while one of its messages is hidden. What was received
    `receives` times is dead-lettered when it would be handed out once more."""

    arn: str
    visibility: float
    receives: int
    first_number: int
    groups: dict[str, list[Held]] = field(default_factory=dict)
    dead: list[Held] = field(default_factory=list)
    sent: int = 0
    sent_at: dict[str, float] = field(default_factory=dict)

    def send(self, report: Report, now: float, body: str | None = None) -> bool:
        """False where it is a duplicate."""
        if now - self.sent_at.get(report.id, -1e9) < _DEDUPLICATED_SECONDS:
            return False
        self.sent_at[report.id] = now
        self._append(report, body or report.to_json())
        return True

    def _append(self, report: Report, body: str) -> None:
        self.sent += 1
        held = Held(report, body, self.first_number + 256 * self.sent)
        self.groups.setdefault(report.group_id, []).append(held)

    def receive(self, now: float, at_most: int) -> list[Held]:
        received: list[Held] = []
        for group in self.groups.values():
            while not self._is_hidden(group, now) and group[:1] and group[0].receives >= self.receives:
                self.dead.append(group.pop(0))
            if self._is_hidden(group, now):
                continue
            for held in itertools.takewhile(lambda each: each.receives < self.receives, group):
                if len(received) == at_most:
                    return received
                held.receives += 1
                held.hidden_until = now + self.visibility
                held.receipt = f"{held.message_id} {held.receives}"
                received.append(held)
        return received

    def _is_hidden(self, group: list[Held], now: float) -> bool:
        return any(held.hidden_until > now for held in group)

    def delete(self, receipt: str, now: float) -> None:
        """Does nothing once the message is visible again (SQS DeleteMessage, FIFO queues)."""
        for group in self.groups.values():
            group[:] = [held for held in group if held.receipt != receipt or held.hidden_until <= now]

    def moves_to(self, other: "Fifo") -> None:
        """Dead letters, redriven under new message ids and numbers."""
        dead, self.dead = self.dead, []
        for held in dead:
            other._append(held.report, held.body)

    def empties_into(self, other: "Fifo", now: float) -> None:
        """What is not hidden; of a group with a hidden message nothing, or it would be overtaken."""
        for group in self.groups.values():
            if not self._is_hidden(group, now):
                for held in group:
                    other._append(held.report, held.body)
                group.clear()

    def visible_at(self, now: float) -> float | None:
        """When there is something to receive; None when it holds nothing."""
        waits = [max((held.hidden_until for held in group), default=now) for group in self.groups.values() if group]
        return max(now, min(waits)) if waits else None


def to_records(received: list[Held], arn: str) -> list[dict[str, Any]]:
    """As Lambda hands them to the function."""
    return [
        {
            "messageId": held.message_id,
            "receiptHandle": held.receipt,
            "body": held.body,
            "attributes": {
                "ApproximateReceiveCount": str(held.receives),
                "SequenceNumber": str(held.number),
                "MessageGroupId": held.report.group_id,
            },
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": arn,
        }
        for held in received
    ]
