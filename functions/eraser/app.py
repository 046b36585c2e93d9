"""Each minute → every table: erases the applications whose deletion was asked for."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec
from aws_lambda_powertools.utilities.typing import LambdaContext

from hookwatch import times
from hookwatch.erasing import deletions, passes
from hookwatch.erasing.deletions import Deletion
from hookwatch.logs import logger
from hookwatch.metrics import count, metrics
from hookwatch.settings import EraserSettings

_ENDS_BEFORE_MS = 10_000  # so long before its time is up the function stops; the next minute goes on

settings = EraserSettings.from_environment()
settles = timedelta(seconds=settings.erasure_settles_seconds)


def erase(application_id: str, before: Deletion, has_time: Callable[[], bool]) -> None:
    after = passes.go_on(application_id, before, has_time)
    erased = after.deleted_items - before.deleted_items
    logger.info(
        "erased",
        application_id=application_id,
        items=erased,
        items_so_far=after.deleted_items,
        state=after.state,
    )
    count("ItemsErased", erased)
    count("ApplicationsDeleted", int(after.state == "deleted"))


def due(now: datetime) -> Iterator[tuple[str, Deletion]]:
    for application_id in deletions.pending():
        try:
            deletion = deletions.find(application_id)
        except msgspec.DecodeError:  # the others are erased all the same
            logger.exception("a deletion cannot be read", application_id=application_id)
            count("ErasuresFailed")
        else:
            if deletion and deletion.is_due(now, settles):
                yield application_id, deletion


def share(context: LambdaContext, sharers: int) -> Callable[[], bool]:
    """Whether there is still time, of an equal share of what the function has left."""
    left = context.get_remaining_time_in_millis()
    ends_at = left - (left - _ENDS_BEFORE_MS) / sharers
    return lambda: context.get_remaining_time_in_millis() > ends_at


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """A large application does not hold up the small ones: each has its share of the time."""
    found = list(due(times.from_text(event["time"])))
    for number, (application_id, deletion) in enumerate(found):
        try:
            erase(application_id, deletion, share(context, len(found) - number))
        except Exception:  # the others are erased all the same
            logger.exception("an erasure was cut off; it goes on in a minute", application_id=application_id)
            count("ErasuresFailed")
