"""OperationalBatch: which events wait to be delivered together. An event is put into one batch, once.

A batch is filled until it is full or its time is over, then sealed, and from then on has the same events for ever. What
seals it when its time is over is a message that was sent before anything was put into it, so that none is forgotten.
"""

import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import msgspec
from pynamodb.expressions.condition import size as number_of

from hookwatch import tables, times, writes
from hookwatch.notifying.endpoints import Batching

PREFIX = "bat_"  # of a batch id
EVENTS_AT_MOST = 500
WAIT_AT_MOST = timedelta(minutes=15)  # SQS DelaySeconds
# Bytes of the bodies: with what is around them a batch stays below 256 KB, and on the queue, where each quote and
# backslash is escaped, below the 1 MiB of SQS.
SIZE_AT_MOST = 250_000
_AROUND = len('{"id":"evt_0123456789abcdef0123456789abcdef",},')  # an event in a batch
_AT_ONCE = 8

Wake = Callable[[str, timedelta], None]
Table = tables.OperationalBatch


class Member(msgspec.Struct, frozen=True):
    """An event that is to be put into a batch; `size` is that of its body there, in bytes."""

    event_id: str
    size: int

    @classmethod
    def of(cls, event_id: str, body: str) -> "Member":
        return cls(event_id, len(body.encode()) + _AROUND)


class Batch(msgspec.Struct, frozen=True):
    """`application_id` is that of the events."""

    batch_id: str
    operational_endpoint_id: str
    application_id: str
    event_ids: frozenset[str] = frozenset()
    size: int = 0
    sealed_at: datetime | None = None
    is_queued: bool = False

    def takes(self, members: Sequence[Member], max_events: int) -> Sequence[Member]:
        """Those of them, from the first on, for which there is room. An event is never too large for an empty batch."""
        room, size = max_events - len(self.event_ids), self.size
        for number, member in enumerate(members):
            size += member.size
            if number >= room or (size > SIZE_AT_MOST and (number or self.event_ids)):
                return members[:number]
        return members


class Batches:
    """The batches that an emitter fills. `wake` has a batch sealed and delivered, after a delay."""

    def __init__(self, wake: Wake, retention_days: int) -> None:
        self._wake = wake
        self._retention_days = retention_days
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="batches")

    def put(
        self, operational_endpoint_id: str, application_id: str, batching: Batching, members: Sequence[Member]
    ) -> None:
        """All of them, each into one batch; those that are in one already stay there.

        Raises:
            pynamodb.exceptions.PynamoDBException, botocore.exceptions.ClientError, BotoCoreError: some may be in none.
        """
        tables.connect(Table)
        while members:
            batch = self._open(operational_endpoint_id, application_id, batching)
            taken = batch.takes(members, batching.max_events)
            if not taken:
                self._close(batch)
            elif self._joined(batch, self._assigned(batch, taken), batching.max_events):
                members = members[len(taken) :]

    def _open(self, operational_endpoint_id: str, application_id: str, batching: Batching) -> Batch:
        """The batch that is being filled, or a new one."""
        subject = subject_of(operational_endpoint_id, application_id)
        while True:
            known = _item(subject, "open")
            batch = find(known.batch_id) if known and known.batch_id else None
            if batch and batch.sealed_at is None and len(batch.event_ids) < batching.max_events:
                return batch
            opened = Batch(f"{PREFIX}{uuid.uuid4().hex}", operational_endpoint_id, application_id)
            Table(
                opened.batch_id,
                "events",
                operational_endpoint_id=operational_endpoint_id,
                application_id=application_id,
                size=0,
                expires_at=self._expires_at(),
            ).save()
            self._wake(opened.batch_id, batching.max_wait)
            item = Table(subject, "open", batch_id=opened.batch_id, expires_at=self._expires_at())
            if writes.put_if(Table.batch_id == known.batch_id if known else Table.subject.does_not_exist(), item):
                return opened

    def _assigned(self, batch: Batch, members: Sequence[Member]) -> list[Member]:
        """Those that are this batch's to take: not what an earlier one has."""
        are_its_own = self._threads.map(lambda member: self._assign(batch, member), members)
        return [member for member, is_its_own in zip(members, are_its_own, strict=True) if is_its_own]

    def _assign(self, batch: Batch, member: Member) -> bool:
        key = member.event_id, batch.operational_endpoint_id
        item = Table(*key, batch_id=batch.batch_id, expires_at=self._expires_at())
        while not writes.put_if(Table.subject.does_not_exist(), item):
            # An emitter was here before, and may have been killed before it put the event into that batch.
            known = _item(*key)
            if known is None or known.batch_id is None:
                continue
            earlier = find(known.batch_id)
            if earlier and member.event_id in earlier.event_ids:
                return False
            if known.batch_id == batch.batch_id:
                return True
            if earlier and earlier.sealed_at is None:
                seal(earlier.batch_id, times.now())
                continue  # and look what is in it for ever
            if writes.update_if(Table.batch_id == known.batch_id, Table(*key), Table.batch_id.set(batch.batch_id)):
                return True
        return True

    def _joined(self, batch: Batch, members: Collection[Member], max_events: int) -> bool:
        """Whether the batch has them now. Not where it was sealed, or others filled it, meanwhile."""
        if not members:
            return True
        size = sum(member.size for member in members)
        has_room = Table.event_ids.does_not_exist() | (number_of(Table.event_ids) <= max_events - len(members))
        has_space = Table.size <= max(SIZE_AT_MOST - size, 0)
        item = Table(batch.batch_id, "events")
        if not writes.update_if(
            Table.subject.exists() & Table.sealed_at.does_not_exist() & has_room & has_space,
            item,
            Table.event_ids.add({_packed(member.event_id) for member in members}),
            Table.size.add(size),
        ):
            return False
        if len(item.event_ids or ()) >= max_events:
            self._close(batch)
        return True

    def _close(self, batch: Batch) -> None:
        seal(batch.batch_id, times.now())
        self._wake(batch.batch_id, timedelta())

    def _expires_at(self) -> int:
        return tables.expiry(times.now(), self._retention_days)


def subject_of(operational_endpoint_id: str, application_id: str) -> str:
    """What the item `open` is of."""
    return msgspec.json.encode([operational_endpoint_id, application_id]).decode()


def seal(batch_id: str, now: datetime) -> Batch | None:
    """The batch as it is from now on, or was before. None where there is none: nothing is put into it then."""
    item = Table(batch_id, "events")
    is_open = Table.subject.exists() & Table.sealed_at.does_not_exist()
    if writes.update_if(is_open, item, Table.sealed_at.set(times.to_text(now))):
        return _from_item(item)
    return find(batch_id)


def note_queued(batch_id: str, now: datetime) -> None:
    """That its delivery is on a queue."""
    Table(batch_id, "events").update(actions=[Table.queued_at.set(times.to_text(now))])


def find(batch_id: str) -> Batch | None:
    """As it is now."""
    item = _item(batch_id, "events")
    return _from_item(item) if item else None


def of_event(event_id: str) -> Iterator[Batch]:
    """The batches that have the event: one for each operational endpoint at most."""
    for item in Table.query(event_id, consistent_read=True):
        batch = find(item.batch_id) if item.batch_id else None
        if batch and event_id in batch.event_ids:
            yield batch


def _item(subject: str, item: str) -> tables.OperationalBatch | None:
    try:
        return Table.get(subject, item, consistent_read=True)
    except Table.DoesNotExist:
        return None


def _from_item(item: tables.OperationalBatch) -> Batch:
    return Batch(
        item.subject,
        item.operational_endpoint_id or "",
        item.application_id or "",
        frozenset(map(_unpacked, item.event_ids or ())),
        int(item.size or 0),
        times.from_text(item.sealed_at) if item.sealed_at else None,
        is_queued=item.queued_at is not None,
    )


def _packed(event_id: str) -> bytes:
    return bytes.fromhex(event_id.removeprefix("evt_"))


def _unpacked(packed: bytes) -> str:
    return f"evt_{packed.hex()}"
