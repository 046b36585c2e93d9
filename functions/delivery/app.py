"""DELIVERIES, RETRIES → HTTPS, OperationalAttempt. Look, post, record, retry."""

from datetime import timedelta
from random import random
from time import monotonic
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.typing import LambdaContext

from hookwatch import tables, times
from hookwatch.encryption import Encryption
from hookwatch.notifying import attempts, endpoints, retry, signing
from hookwatch.notifying.attempts import Attempted
from hookwatch.notifying.endpoints import CredentialsCache, EndpointCache
from hookwatch.notifying.queue import Delivery, Message, Messages
from hookwatch.notifying.retry import Exhausted, GiveUp, Outcome, Post, RetryLater, Schedule, Verdict, Wait
from hookwatch.notifying.sender import Sender
from hookwatch.notifying.signing import SealKeys
from hookwatch.settings import DeliverySettings

logger, metrics, settings = Logger(), Metrics(), DeliverySettings.from_environment()
schedule = Schedule(settings.retry_schedule)
messages = Messages(settings.retries_queue_url, settings.deliveries_dead_letters_queue_url)
sender = Sender(settings.allowed_networks, allow_http=settings.allow_http)
operational_endpoints = EndpointCache(settings.endpoint_cache_seconds)
credentials = CredentialsCache(Encryption(settings.secrets_encryption_key))
tables.connect(tables.OperationalAttempt, tables.OperationalEndpoint)


def deliver(message: Message) -> None:
    delivery = message.delivery
    match retry.next_step(attempts.last(delivery), times.now()):
        case Wait(delay):
            message.come_back_after(delay)
        case Post(number):
            attempted = attempt(delivery, number)
            if attempts.record(delivery, attempted, settings.event_retention_days):
                apply(attempted.verdict, message)
            else:
                metrics.add_metric("DuplicateAttempts", MetricUnit.Count, 1)
                deliver(message)  # a copy was first: go by what it recorded


def attempt(delivery: Delivery, number: int) -> Attempted:
    attempted_at, started = times.now(), monotonic()
    outcome = post(delivery)
    verdict = retry.judge(outcome, number, schedule, jitter=random())  # noqa: S311  # no secret
    attempted = Attempted(number, outcome, verdict, attempted_at, timedelta(seconds=monotonic() - started))
    logger.info("attempt", **delivery.ids(), **attempted.told())
    metrics.add_metric("Attempts", MetricUnit.Count, 1)
    return attempted


def post(delivery: Delivery) -> Outcome | None:
    """None where there is nobody to post to any more."""
    endpoint = operational_endpoints.find(delivery.operational_endpoint_id)
    if endpoint is None or not endpoint.is_enabled:
        return None
    known = credentials.of(endpoint)
    signature = signing.headers(known.secrets, delivery.event_id, times.now(), delivery.body)
    return sender.post(endpoint.url, delivery.body, {**known.headers, **signature})


def apply(verdict: Verdict, message: Message) -> None:
    match verdict:
        case RetryLater(delay):
            message.come_back_after(delay)
        case GiveUp(reason, disables_endpoint=True):
            endpoints.disable(message.delivery.operational_endpoint_id, reason)
        case Exhausted():
            metrics.add_metric("DeliveriesExhausted", MetricUnit.Count, 1)


def seal_keys(*, is_fresh: bool) -> SealKeys:
    return SealKeys.from_json(parameters.get_secret(settings.seal_key_secret, max_age=300, force_fetch=is_fresh))


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """All deliveries of a batch go out at the same time."""
    batch, forged = messages.take(event, seal_keys)
    metrics.add_metric("ForgedMessages", MetricUnit.Count, forged)
    return messages.process(batch, deliver)
