"""OperationalEvent stream → DELIVERIES, RETRIES."""

from collections import Counter, defaultdict
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from hookwatch import event_items, secrets_manager, tables
from hookwatch.logs import logger
from hookwatch.metrics import count, metrics
from hookwatch.notifying.emission import Emission, Owed
from hookwatch.notifying.signing import SealKeys
from hookwatch.settings import EmitterSettings

settings = EmitterSettings.from_environment()
emission = Emission(settings)
tables.connect(tables.OperationalEndpoint, tables.Application)


def owed(image: dict[str, Any], keys: SealKeys) -> list[Owed] | None:
    """What an event, as the stream holds it, is owed; None while its monitored endpoint is muted."""
    event = event_items.from_image(image)
    return None if emission.mutes.cover(event) else emission.owed(event, keys)


def tell(owed: dict[str, list[Owed] | None]) -> None:
    """By event id, the log and the metrics. Most events of a batch go to the same operational endpoints: one line."""
    alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
    muted = [event_id for event_id, of_one in owed.items() if of_one is None]
    for event_id, of_one in owed.items():
        if of_one is not None:
            alike[tuple(each.delivery.operational_endpoint_id for each in of_one)].append(event_id)
    for operational_endpoint_ids, event_ids in alike.items():
        logger.info("emitted", event_ids=event_ids, operational_endpoint_ids=operational_endpoint_ids)
    if muted:
        logger.info("muted", event_ids=muted)
    count("EventsMuted", len(muted))
    waiting = Counter(each.waits_for_others for of_one in owed.values() for each in of_one or ())
    count("DeliveriesQueued", waiting[False])
    count("EventsBatched", waiting[True])


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """What can't be sent raises, and the stream hands out the batch again: delivery ids tell the copies. A record that
    can't be understood would do so for ever, so it goes to EMITTER FAILURES and the shard goes on."""
    keys = SealKeys.from_json(secrets_manager.get(settings.seal_key_secret))
    of_events: dict[str, list[Owed] | None] = {}
    for record in event["Records"]:
        event_id = record["dynamodb"]["Keys"]["event_id"]["S"]
        try:
            of_events[event_id] = owed(record["dynamodb"]["NewImage"], keys)
        except event_items.MALFORMED as error:
            logger.exception("an event cannot be told", event_id=event_id)
            count("EmitterFailures")
            emission.outbox.put_failure(event_id, repr(error))
    emission.put([each for of_one in of_events.values() for each in of_one or ()])
    tell(of_events)
