"""Counting each message of SIGNALS exactly once, whatever is repeated, killed or redriven.

Three facts make it hold, and the record keeps all three:
- its `version`, on which every write is conditional, so that of two observers one starts again;
- the position in the queue (its ARN and the sequence number): what is at or before it has been counted;
- the ids of those messages that were counted but may not have been acknowledged. A message that was counted and then
  dies on its last receive goes to the dead-letter queue, and comes back from there under a new sequence number and a
  new message id (SQS developer guide, dead-letter queue redrive), so its own id must tell it.

Within a message group nothing is handed out before what stands ahead of it was acknowledged or dead-lettered. So when
the group's next message comes sooner than the earlier one could have been dead-lettered, the earlier one is forgotten.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from hookwatch.observing.signals import Report

# The longest that SQS keeps a message (14 days) once in the queue and once more after its redrive.
_REDRIVE_WINDOW = timedelta(days=28)
_ID_LENGTH = 12  # hex digits: 48 bits tell some hundreds of ids apart


@dataclass(frozen=True, slots=True)
class Message:
    """A report as SQS handed it out, `receives` times so far."""

    message_id: str
    report: Report
    queue_arn: str
    sequence_number: int
    receives: int

    @property
    def id(self) -> str:
        return self.report.id[:_ID_LENGTH]


@dataclass(frozen=True, slots=True)
class Receiving:
    """How SIGNALS hands out: how long it hides a message, and how often before it is dead-lettered."""

    visibility: timedelta
    receives: int


class Counted(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a record has counted. `sequence_number` is text, for SQS's numbers have up to 128 bits."""

    queue_arn: str = ""
    sequence_number: str = "0"
    last: tuple[str, ...] = ()
    last_at: datetime | None = None
    last_in_doubt_after: datetime | None = None
    in_doubt: dict[str, datetime] = {}

    def has(self, message: Message) -> bool:
        if message.queue_arn == self.queue_arn and message.sequence_number <= int(self.sequence_number):
            return True
        return message.id in self.last or message.id in self.in_doubt

    def plus(self, messages: list[Message], now: datetime, receiving: Receiving) -> "Counted":
        """With `messages`, one or more of the same group and in order, counted too."""
        in_doubt = {key: at for key, at in self.in_doubt.items() if now - at < _REDRIVE_WINDOW}
        if self.last_at is not None and self.last_in_doubt_after is not None and now >= self.last_in_doubt_after:
            in_doubt.update(dict.fromkeys(self.last, self.last_at))
        receives_left = receiving.receives - max(message.receives for message in messages)
        return replace(
            self,
            queue_arn=messages[-1].queue_arn,
            sequence_number=str(messages[-1].sequence_number),
            last=tuple(message.id for message in messages),
            last_at=now,
            last_in_doubt_after=now + max(0, receives_left) * receiving.visibility,
            in_doubt=in_doubt,
        )
