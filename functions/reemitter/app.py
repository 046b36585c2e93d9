"""OperationalEvent, asked for by an operator → DELIVERIES, RETRIES: what the emitter could not emit."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from aws_lambda_powertools.utilities.typing import LambdaContext

from hookwatch import event_items, secrets_manager, tables, times
from hookwatch.logs import logger
from hookwatch.metrics import count, metrics
from hookwatch.notifying import attempts
from hookwatch.notifying.emission import Emission, Owed
from hookwatch.notifying.signing import SealKeys
from hookwatch.operational_events import OperationalEvent, detected_at
from hookwatch.settings import EmitterSettings

settings = EmitterSettings.from_environment()
emission = Emission(settings)

_PAGE_EVENTS = 100
_ENDS_BEFORE_MS = 10_000  # so long before its time is up the function answers, and is asked again with the cursor


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """The events that Hookwatch learned of from `since` to before `until`, or those named. `cursor` goes on where an
    earlier answer ended; a dry run counts and queues nothing."""

    since: datetime | None = None
    until: datetime = datetime.max.replace(tzinfo=UTC)
    application_id: str | None = None
    event_ids: list[str] = []
    cursor: str | None = None
    dry_run: bool = False

    def is_about(self, event: OperationalEvent) -> bool:
        if event.event_id in self.event_ids:
            return True
        is_its_application = self.application_id in (None, event.application_id)
        return self.since is not None and is_its_application and self.since <= detected_at(event) < self.until


class Counts(msgspec.Struct):
    """`failed` are events that cannot be read or told; each is in the log."""

    events: int = 0
    deliveries: int = 0
    failed: int = 0


def still_owed(event: OperationalEvent, keys: SealKeys) -> list[Owed]:
    """What nobody has attempted yet, to the endpoints that existed by then; nothing of an event that is muted."""
    by_then = times.to_text(detected_at(event))
    owed = [] if emission.mutes.cover(event) else emission.owed(event, keys)
    owed = [each for each in owed if each.endpoint.created_at <= by_then]
    attempted = attempts.attempted_for(event.event_id) if owed else set()
    return [each for each in owed if each.delivery.operational_endpoint_id not in attempted]


def reemit(item: tables.OperationalEvent, request: Request, keys: SealKeys, counts: Counts) -> list[Owed]:
    """What one event is still owed. What cannot be told holds up nothing that lies behind it."""
    try:
        event = event_items.from_item(item)
        if item.expires_at <= times.now().timestamp() or not request.is_about(event):
            return []
        owed = still_owed(event, keys)
    except event_items.MALFORMED:
        logger.exception("an event cannot be told", event_id=item.event_id)
        counts.failed += 1
        return []
    counts.events, counts.deliveries = counts.events + 1, counts.deliveries + len(owed)
    return owed


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`{"events", "deliveries", "failed", "cursor"}`: how many were looked at, queued, and could not be told; a cursor
    where there is more."""
    request = msgspec.convert(event, Request)
    keys = SealKeys.from_json(secrets_manager.get(settings.seal_key_secret))
    cursor, counts = request.cursor, Counts()
    while True:
        items, cursor = page(request, cursor)
        owed = [each for item in items for each in reemit(item, request, keys, counts)]
        if not request.dry_run:
            emission.put(owed)
        if cursor is None or context.get_remaining_time_in_millis() < _ENDS_BEFORE_MS:
            break
    answer = {**msgspec.structs.asdict(counts), "cursor": cursor}
    logger.info("reemitted", **answer, dry_run=request.dry_run)
    count("DeliveriesReemitted", 0 if request.dry_run else counts.deliveries)
    return answer


def page(request: Request, cursor: str | None) -> tuple[list[tables.OperationalEvent], str | None]:
    """Some events, and where the next begin; None where these were the last."""
    if request.event_ids:
        return list(tables.OperationalEvent.batch_get(request.event_ids)), None
    found = tables.OperationalEvent.scan(
        limit=_PAGE_EVENTS,
        page_size=_PAGE_EVENTS,
        last_evaluated_key={"event_id": {"S": cursor}} if cursor else None,
    )
    items = list(found)
    last = found.last_evaluated_key
    return items, last["event_id"]["S"] if last else None
