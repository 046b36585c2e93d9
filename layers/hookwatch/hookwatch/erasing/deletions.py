"""Application, items `deletion` and `deletion#…`: that an application is to be deleted, how far that is, and for 30
days that it was; what a first pass erased, for the second to look behind."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import msgspec
from pynamodb.exceptions import PynamoDBException

from hookwatch import audit, tables, writes
from hookwatch.audit import Entry

PREFIX = "deletion"  # of both items: what every pass leaves
_ITEM, _ERASED = PREFIX, f"{PREFIX}#"
_PENDING = "deletion"  # in the sparse index
_TRIES = 3
_KEPT = timedelta(days=30)  # longer than a message can be on a queue (14 days)


class Outrun(PynamoDBException):
    """Another eraser is at the same application."""


class Deletion(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`deleted_items` are at least so many: what was deleted right before a crash is not counted."""

    requested_at: datetime
    requested_by: str
    deleted_items: int = 0
    first_pass_ended_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def state(self) -> str:
        return "deleted" if self.finished_at else "deleting"

    def is_due(self, now: datetime, settles: timedelta) -> bool:
        """Whether a pass is to be made or gone on with. The second begins when all has come to an end, `settles` after
        the first, that was under way in it."""
        if self.finished_at:
            return False
        return self.first_pass_ended_at is None or self.first_pass_ended_at + settles <= now

    def covers(self, detected_at: datetime) -> bool:
        """Whether what Hookwatch learned of at that moment is of the application that is, or was, deleted, and not of
        a later one with its id."""
        return self.finished_at is None or detected_at <= self.finished_at


class Erased(msgspec.Struct, frozen=True):
    """The ids of erased items by which others are found; `root` names what they are of."""

    root: str
    ids: list[str]


def ask(application_id: str, now: datetime, entry: Entry) -> Deletion:
    """The deletion that is under way, or one that begins now.

    Raises:
        Outrun: others begin and end them, again and again.
    """
    for _ in range(_TRIES):
        known = find(application_id)
        if known and not known.finished_at:
            return known
        asked = Deletion(requested_at=now, requested_by=entry.actor)
        if replace(application_id, known, asked, entry):
            return asked
        # Somebody else asked at the same moment.
    raise Outrun(f"others ask for the deletion of {application_id}, and finish it, all the time")


def find(application_id: str) -> Deletion | None:
    try:
        item = tables.Application.get(application_id, _ITEM, consistent_read=True)
    except tables.Application.DoesNotExist:
        return None
    return msgspec.json.decode(item.deletion or "", type=Deletion)


def find_kept(application_id: str, now: datetime) -> Deletion | None:
    """As `find`, without what DynamoDB has yet to expire."""
    deletion = find(application_id)
    is_over = deletion and deletion.finished_at and deletion.finished_at + _KEPT <= now
    return None if is_over else deletion


def pending() -> list[str]:
    """The applications that are to be deleted: one query."""
    return [item.application_id for item in tables.Application.by_sweep.query(_PENDING)]


def replace(application_id: str, old: Deletion | None, new: Deletion, entry: Entry | None = None) -> bool:
    """Whether `old` was still what is stored."""
    attribute = tables.Application.deletion
    item = tables.Application(
        application_id=application_id,
        item=_ITEM,
        deletion=_to_text(new),
        swept_with=None if new.finished_at else _PENDING,
        expires_at=tables.expiry(new.finished_at, _KEPT.days) if new.finished_at else None,
    )
    is_unchanged = attribute == _to_text(old) if old else attribute.does_not_exist()
    return writes.put_if(is_unchanged, item, beside=audit.items(entry) if entry else ())


def note(application_id: str, old: Deletion, new: Deletion) -> Deletion:
    """How far it is; that it is over is on record in the audit too.

    Raises:
        Outrun: somebody else has gone on.
    """
    entry = Entry(
        action="application.deleted", application_ids=(application_id,), target=application_id, actor=audit.HOOKWATCH
    )
    if not replace(application_id, old, new, entry if new.finished_at else None):
        raise Outrun(f"another eraser is at {application_id}")
    return new


def remember(application_id: str, root: str, ids: Sequence[str]) -> None:
    """Before they are erased: what is written behind them meanwhile is found by nothing else."""
    erased = msgspec.json.encode(Erased(root, list(ids)))
    name = hashlib.sha256(erased).hexdigest()[:32]
    tables.Application(application_id, f"{_ERASED}{name}", erased=erased.decode()).save()


def remembered(application_id: str) -> Iterator[tuple[tables.Application, Erased]]:
    """Each with its item, to be deleted when somebody has looked behind it."""
    is_erased = tables.Application.item.startswith(_ERASED)
    for item in tables.Application.query(application_id, is_erased, consistent_read=True):
        yield item, msgspec.json.decode(item.erased or "", type=Erased)


def _to_text(deletion: Deletion) -> str:
    return msgspec.json.encode(deletion).decode()
