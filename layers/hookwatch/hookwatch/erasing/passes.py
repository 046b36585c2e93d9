"""Every table → nothing: erases what belongs to an application, in two passes."""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice

from msgspec.structs import replace
from pynamodb.exceptions import PutError
from pynamodb.models import Model

from hookwatch import belongings, tables, times, writes
from hookwatch.access import api_keys
from hookwatch.erasing import deletions
from hookwatch.erasing.deletions import Deletion

_BATCH = 25  # BatchWriteItem (DynamoDB)
_REMEMBERED_TOGETHER = 100  # ids of up to 256 bytes in one item
# Seconds, while DynamoDB takes no more: a partition takes 1,000 writes a second.
_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
# None: of a batch some are unprocessed, or there was no answer.
_THROTTLED = {None, "ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"}


def go_on(application_id: str, deletion: Deletion, has_time: Callable[[], bool]) -> Deletion:
    """Goes on with the pass that `deletion` is in, until it is over or the time is up. How far it is then.

    A pass looks for what there is and deletes it, so it goes on wherever an earlier run was cut off.

    Raises:
        deletions.Outrun: another eraser is at it.
        pynamodb.exceptions.PynamoDBException: DynamoDB did not answer. The next run goes on.
    """
    is_second = deletion.first_pass_ended_at is not None
    for key in list(belongings.keys(application_id)):
        if api_keys.leave(key.key_id, application_id):
            deletion = _counted(application_id, deletion, 1)
    for batch in _batches(_contents(application_id, is_second=is_second)):
        if not has_time():
            return deletion
        _delete(batch)
        deletion = _counted(application_id, deletion, sum(map(_is_of_the_application, batch)))
    now = times.now()
    ended = replace(deletion, finished_at=now) if is_second else replace(deletion, first_pass_ended_at=now)
    return deletions.note(application_id, deletion, ended)


def _contents(application_id: str, *, is_second: bool) -> Iterator[Model]:
    """What there is, in an order in which it is harmless to stop anywhere: what comes in first, and what is found by
    something before that.

    While the first pass goes on, others write behind what it has erased: a delivery under way its attempt, an observer
    a row. So the first remembers the ids, and the second looks behind them again.
    """
    yield from belongings.sources(application_id)
    yield from belongings.replays(application_id)
    if is_second:
        behind = {root.name: root.behind for root in belongings.ROOTS}
        for item, erased in deletions.remembered(application_id):
            for key in erased.ids:
                yield from behind[erased.root](application_id, key)
            yield item
    for root in belongings.ROOTS:
        found = root.find(application_id)
        while some := list(islice(found, _REMEMBERED_TOGETHER)):
            ids = [root.key_of(item) for item in some]
            if not is_second:
                deletions.remember(application_id, root.name, ids)
            for key in ids:
                yield from root.behind(application_id, key)
            yield from some
    yield from belongings.rest(application_id)


def _batches(items: Iterable[Model]) -> Iterator[list[Model]]:
    """Each of one table, and in order: `items` is asked for no more of another table before a batch is done with. What
    is found from two sides is in it once, as BatchWriteItem wants it."""
    for _, of_one_table in groupby(items, key=type):
        while batch := {tables.key_of(item): item for item in islice(of_one_table, _BATCH)}:
            yield list(batch.values())


def _delete(batch: list[Model]) -> None:
    """All of it. What DynamoDB leaves unprocessed is sent again at once, by PynamoDB and twice, and then after a pause.

    Raises:
        pynamodb.exceptions.PutError: DynamoDB did not take all of it.
    """
    for pause in _PAUSES:
        try:
            return _send(batch)
        except PutError as error:
            if writes.code_of(error) not in _THROTTLED:
                raise
            time.sleep(pause)
    return _send(batch)


def _send(batch: list[Model]) -> None:
    writing = type(batch[0]).batch_write(auto_commit=False)
    for item in batch:
        writing.delete(item)
    writing.commit()


def _is_of_the_application(item: Model) -> bool:
    return not (isinstance(item, tables.Application) and item.item.startswith(deletions.PREFIX))


def _counted(application_id: str, deletion: Deletion, number: int) -> Deletion:
    counted = replace(deletion, deleted_items=deletion.deleted_items + number)
    return deletions.note(application_id, deletion, counted) if number else deletion
