"""OperationalEvent stream → DELIVERIES."""

from collections.abc import Iterator
from typing import Any

import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.typing import LambdaContext

from hookwatch import event_items
from hookwatch.notifying import matching
from hookwatch.notifying.endpoints import EndpointCache
from hookwatch.notifying.queue import DeliveriesQueue, Delivery
from hookwatch.notifying.signing import SealKeys
from hookwatch.operational_events import to_payload
from hookwatch.settings import EmitterSettings

logger, metrics, settings = Logger(), Metrics(), EmitterSettings.from_environment()
endpoints = EndpointCache(settings.endpoint_cache_seconds)
queue = DeliveriesQueue(settings.deliveries_queue_url, settings.emitter_failures_queue_url)


def owed(image: dict[str, Any], keys: SealKeys) -> Iterator[Delivery]:
    """What an event, as the stream holds it, makes owed: one delivery to each operational endpoint that it is for."""
    event = event_items.from_image(image)
    body = msgspec.json.encode(to_payload(event)).decode()
    for endpoint in endpoints.of_application(event.application_id):
        if matching.matches(endpoint, event):
            yield Delivery.owed(
                event_id=event.event_id,
                event_type=event.type,
                operational_endpoint_id=endpoint.operational_endpoint_id,
                body=body,
            ).sealed(keys)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """What can't be sent raises, and the stream hands out the batch again: delivery ids tell the copies. A record that
    can't be understood would do so for ever, so it goes to EMITTER FAILURES and the shard goes on."""
    keys = SealKeys.from_json(parameters.get_secret(settings.seal_key_secret, max_age=300))
    deliveries: list[Delivery] = []
    for record in event["Records"]:
        try:
            deliveries.extend(owed(record["dynamodb"]["NewImage"], keys))
        except (KeyError, TypeError, ValueError) as error:
            event_id = record["dynamodb"]["Keys"]["event_id"]["S"]
            logger.exception("an event cannot be emitted", event_id=event_id)
            metrics.add_metric("EmitterFailures", MetricUnit.Count, 1)
            queue.put_failure(event_id, repr(error))
    queue.put(deliveries)
    metrics.add_metric("DeliveriesQueued", MetricUnit.Count, len(deliveries))
    for delivery in deliveries:
        logger.info("delivery queued", event_id=delivery.event_id, delivery_id=delivery.delivery_id)
