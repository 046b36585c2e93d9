"""DELIVERIES, RETRIES → HTTPS, OperationalAttempt. Look, post, record, retry."""

import random
from datetime import timedelta
from time import monotonic
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.typing import LambdaContext

from hookwatch import tables, times
from hookwatch.encryption import Encryption
from hookwatch.notifying import attempts, endpoints, retry, signing
from hookwatch.notifying.endpoints import CredentialsCache, EndpointCache, OperationalEndpoint
from hookwatch.notifying.queue import Delivery, Message, Messages
from hookwatch.notifying.retry import Exhausted, GiveUp, Outcome, Post, RetryLater, Schedule, Settled, Wait
from hookwatch.notifying.sender import Sender
from hookwatch.notifying.signing import SealKeys
from hookwatch.settings import DeliverySettings

logger, metrics, settings = Logger(), Metrics(), DeliverySettings.from_environment()
schedule = Schedule(settings.retry_schedule)
messages = Messages(settings.retries_queue_url, settings.deliveries_dead_letters_queue_url)
sender = Sender(settings.allowed_networks, allow_http=settings.allow_http)
receivers, credentials = (
    EndpointCache(settings.endpoint_cache_seconds),
    CredentialsCache(Encryption(settings.secrets_encryption_key)),
)
tables.connect(tables.OperationalAttempt, tables.OperationalEndpoint)


def deliver(message: Message, keys: SealKeys) -> None:
    delivery = sealed_delivery(message, keys)
    if delivery is None:
        logger.error("a message without our seal", message_id=message.message_id)
        metrics.add_metric("ForgedMessages", MetricUnit.Count, 1)
        messages.bury(message)
        return
    match retry.next_step(attempts.last(delivery), times.now()):
        case Settled():
            return
        case Wait(delay):
            message.come_back_after(delay, delivery.operational_endpoint_id)
        case Post(number):
            if not attempt(message, delivery, number):
                deliver(message, keys)  # a copy was first: go by what it recorded


def attempt(message: Message, delivery: Delivery, number: int) -> bool:
    """False where attempt `number` is on record already."""
    endpoint, attempted_at, started = receivers.find(delivery.operational_endpoint_id), times.now(), monotonic()
    outcome = post(endpoint, delivery) if endpoint and endpoint.is_enabled else None
    verdict = retry.judge(outcome, number, schedule, jitter=random.random())  # noqa: S311  # no secret
    duration = timedelta(seconds=monotonic() - started)
    was_first = attempts.record(
        delivery,
        number,
        outcome,
        verdict,
        attempted_at=attempted_at,
        duration=duration,
        retention_days=settings.event_retention_days,
    )
    metrics.add_metric("Attempts" if was_first else "DuplicateAttempts", MetricUnit.Count, 1)
    logger.info(
        "attempt",
        event_id=delivery.event_id,
        delivery_id=delivery.delivery_id,
        operational_endpoint_id=delivery.operational_endpoint_id,
        number=number,
        outcome=outcome_text(outcome),
        verdict=type(verdict).__name__,
        duration_ms=duration // timedelta(milliseconds=1),
    )
    match verdict:
        case _ if not was_first:
            return False
        case RetryLater(delay):
            message.come_back_after(delay, delivery.operational_endpoint_id)
        case GiveUp(reason, disables_endpoint=True):
            endpoints.disable(delivery.operational_endpoint_id, reason)
        case Exhausted():
            metrics.add_metric("DeliveriesExhausted", MetricUnit.Count, 1)
    return True


def post(endpoint: OperationalEndpoint, delivery: Delivery) -> Outcome:
    known = credentials.of(endpoint)
    signature = signing.headers(known.secrets, delivery.event_id, times.now(), delivery.body)
    return sender.post(endpoint.url, delivery.body, {**known.headers, **signature})


def sealed_delivery(message: Message, keys: SealKeys) -> Delivery | None:
    """The delivery, or None where the message is not one that the emitter wrote."""
    try:
        delivery = message.delivery()
    except ValueError:
        return None
    return delivery if delivery.is_sealed(keys) else None


def outcome_text(outcome: Outcome | None) -> str:
    match outcome:
        case retry.Responded(status_code):
            return str(status_code)
        case retry.Failed(error):
            return error
        case retry.Blocked():
            return "blocked"
        case None:
            return "none"


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """All deliveries of a batch go out at the same time."""
    keys = SealKeys.from_json(parameters.get_secret(settings.seal_key_secret, max_age=300))
    return messages.process(event, lambda message: deliver(message, keys))
