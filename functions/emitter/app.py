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
from hookwatch.notifying.mutes import MuteCache
from hookwatch.notifying.queue import DeliveriesQueue, Delivery
from hookwatch.notifying.signing import SealKeys
from hookwatch.operational_events import OperationalEvent, linking_to, to_payload
from hookwatch.settings import EmitterSettings

logger, metrics, settings = Logger(), Metrics(), EmitterSettings.from_environment()
endpoints, mutes = EndpointCache(settings.endpoint_cache_seconds), MuteCache(settings.endpoint_cache_seconds)
links = linking_to(settings.api_url, settings.links)
queue = DeliveriesQueue(settings.deliveries_queue_url, settings.emitter_failures_queue_url)


# What reading and telling an event raises where its item is not what the observer writes.
MALFORMED = (AttributeError, LookupError, TypeError, ValueError)


def tell(image: dict[str, Any]) -> tuple[OperationalEvent, str]:
    """An event as the stream holds it, and its body."""
    event = event_items.from_image(image)
    return event, msgspec.json.encode(to_payload(event, links)).decode()


def owed(event: OperationalEvent, body: str, keys: SealKeys) -> Iterator[Delivery]:
    """One delivery to each operational endpoint that the event is for: none, while its monitored endpoint is muted."""
    if mutes.cover(event):
        metrics.add_metric("EventsMuted", MetricUnit.Count, 1)
        logger.info("an event is muted", event_id=event.event_id)
        return
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
            told, body = tell(record["dynamodb"]["NewImage"])
        except MALFORMED as error:
            event_id = record["dynamodb"]["Keys"]["event_id"]["S"]
            logger.exception("an event cannot be told", event_id=event_id)
            metrics.add_metric("EmitterFailures", MetricUnit.Count, 1)
            queue.put_failure(event_id, repr(error))
            continue
        deliveries.extend(owed(told, body, keys))
    queue.put(deliveries)
    metrics.add_metric("DeliveriesQueued", MetricUnit.Count, len(deliveries))
    for delivery in deliveries:
        logger.info("delivery queued", event_id=delivery.event_id, delivery_id=delivery.delivery_id)
