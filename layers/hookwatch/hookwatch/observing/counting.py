"""Counting each message of SIGNALS exactly once, whatever is repeated, killed or redriven.

Three facts make it hold, and the record keeps all three:
- its `version`, on which every write is conditional, so that of two observers one starts again;
- the position in the queue (its ARN and the sequence number): what is at or before it has been counted;
- the ids of those messages that were counted but may not have been acknowledged. A message that was counted and then
  dies on its last receive goes to the dead-letter queue, and comes back from there under a new sequence number and a
  new message id (SQS developer guide, dead-letter queue redrive), so its own id must tell it.

Within a message group nothing is handed out before what stands ahead of it was acknowledged or dead-lettered. So when
the group's next message comes sooner than the earlier one could have been dead-lettered, the earlier one is forgotten.
A message of another queue (one that replaces it, while both are read) says nothing of it.
"""

from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from hookwatch import times
from hookwatch.observing.signals import Report

# A dead-letter queue keeps a message for 14 days (SQS quotas); a day more to come back.
_REDRIVE_WINDOW_HOURS = 15 * 24
_ID_LENGTH = 10  # hex digits: 40 bits tell some hundreds of ids apart


class Message(msgspec.Struct, frozen=True):
    """A report as SQS handed it out, `receives` times so far."""

    message_id: str
    report: Report
    queue_arn: str
    sequence_number: int
    receives: int

    @property
    def id(self) -> str:
        return self.report.id[:_ID_LENGTH]


class Receiving(msgspec.Struct, frozen=True):
    """How SIGNALS hands out: how long it hides a message, and how often before it is dead-lettered."""

    visibility: timedelta
    receives: int


class Counted(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a record has counted. `sequence_number` is text, for SQS's numbers have up to 128 bits.

    `last` are the ids of the last write, `in_doubt` earlier ones with the hour (since the epoch) of their counting.
    """

    queue_arn: str = ""
    sequence_number: str = "0"
    last: tuple[str, ...] = ()
    last_in_doubt_after: datetime | None = None
    in_doubt: dict[str, int] = {}

    def has(self, message: Message) -> bool:
        if message.queue_arn == self.queue_arn and message.sequence_number <= int(self.sequence_number):
            return True
        return message.id in self.last or message.id in self.in_doubt

    def plus(self, messages: list[Message], now: datetime, receiving: Receiving) -> "Counted":
        """With `messages` counted too: all that the group handed out together, in order, and at least one of them new.

        Those among them that were counted before are not acknowledged either, so they are remembered with the rest.
        """
        hour = times.hour_of(now)
        in_doubt = {key: since for key, since in self.in_doubt.items() if hour - since < _REDRIVE_WINDOW_HOURS}
        newest = messages[-1]
        is_same_queue = newest.queue_arn == self.queue_arn
        if self.last_in_doubt_after is not None and (now >= self.last_in_doubt_after or not is_same_queue):
            in_doubt.update(dict.fromkeys(self.last, hour))
        position = int(self.sequence_number) if is_same_queue else 0
        # One less, for a batch may have been held back until its messages were handed out anew.
        receives_left = receiving.receives - max(message.receives for message in messages) - 1
        return replace(
            self,
            queue_arn=newest.queue_arn,
            sequence_number=str(max(position, newest.sequence_number)),
            last=tuple(dict.fromkeys(message.id for message in messages)),
            last_in_doubt_after=now + max(0, receives_left) * receiving.visibility,
            in_doubt=in_doubt,
        )
