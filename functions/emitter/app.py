"""OperationalEvent stream → DELIVERIES, RETRIES."""

from collections import Counter
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from hookwatch import event_items, secrets_manager
from hookwatch.notifying.emission import MALFORMED, Emission, Owed
from hookwatch.notifying.signing import SealKeys
from hookwatch.settings import EmitterSettings

logger, metrics, settings = Logger(), Metrics(), EmitterSettings.from_environment()
emission = Emission(settings)


def owed(image: dict[str, Any], keys: SealKeys) -> list[Owed]:
    """What an event, as the stream holds it, is owed: nothing, while its monitored endpoint is muted."""
    event = event_items.from_image(image)
    if emission.mutes.cover(event):
        metrics.add_metric("EventsMuted", MetricUnit.Count, 1)
        logger.info("an event is muted", event_id=event.event_id)
        return []
    return emission.owed(event, keys)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """What can't be sent raises, and the stream hands out the batch again: delivery ids tell the copies. A record that
    can't be understood would do so for ever, so it goes to EMITTER FAILURES and the shard goes on."""
    keys = SealKeys.from_json(secrets_manager.get(settings.seal_key_secret))
    all_owed: list[Owed] = []
    for record in event["Records"]:
        try:
            all_owed += owed(record["dynamodb"]["NewImage"], keys)
        except MALFORMED as error:
            event_id = record["dynamodb"]["Keys"]["event_id"]["S"]
            logger.exception("an event cannot be told", event_id=event_id)
            metrics.add_metric("EmitterFailures", MetricUnit.Count, 1)
            emission.outbox.put_failure(event_id, repr(error))
    emission.put(all_owed)
    metrics.add_metric("DeliveriesQueued", MetricUnit.Count, len(all_owed))
    for event_id, number in Counter(each.delivery.event_id for each in all_owed).items():
        logger.info("an event is on its way", event_id=event_id, deliveries=number)
