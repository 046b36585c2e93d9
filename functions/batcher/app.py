"""BATCHES → DELIVERIES, RETRIES: a batch whose time is over, or that is full, is sealed and becomes one delivery."""

from typing import Any

import msgspec
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from hookwatch import event_items, secrets_manager, tables, times
from hookwatch.erasing import deletions
from hookwatch.logs import logger
from hookwatch.metrics import count, metrics
from hookwatch.notifying import batches, endpoints
from hookwatch.notifying.batches import Batch
from hookwatch.notifying.emission import Emission
from hookwatch.notifying.signing import SealKeys
from hookwatch.operational_events import OperationalEvent, detected_at
from hookwatch.settings import EmitterSettings

settings = EmitterSettings.from_environment()
emission = Emission(settings)
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


class WakeUp(msgspec.Struct, frozen=True):
    batch_id: str


def queue(record: SQSRecord) -> None:
    batch_id = msgspec.json.decode(record.body, type=WakeUp).batch_id
    try:
        batch = batches.seal(batch_id, times.now())
        if batch and batch.event_ids and not batch.is_queued:
            queue_sealed(batch)
    except Exception:
        logger.exception("a batch could not be queued", batch_id=batch_id)
        raise


def queue_sealed(batch: Batch) -> None:
    """Its delivery is the same however often: it has the batch's id, and the same events."""
    endpoint, events = endpoints.find(batch.operational_endpoint_id), events_of(batch)
    if endpoint and events:
        keys = SealKeys.from_json(secrets_manager.get(settings.seal_key_secret))
        emission.put([emission.owed_together(batch, endpoint, events, keys)])
        count("BatchesQueued")
    batches.note_queued(batch.batch_id, times.now())
    logger.info(
        "a batch",
        batch_id=batch.batch_id,
        operational_endpoint_id=batch.operational_endpoint_id,
        event_ids=[event.event_id for event in events],
        is_queued=bool(endpoint and events),
    )


def events_of(batch: Batch) -> list[OperationalEvent]:
    """But for those of an application that was deleted while they waited."""
    items = tables.OperationalEvent.batch_get(batch.event_ids, consistent_read=True)
    events = [event_items.from_item(item) for item in items]
    deletion = deletions.find(batch.application_id)
    return [event for event in events if deletion is None or not deletion.covers(detected_at(event))]


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    return process_partial_response(event, queue, processor, context)
