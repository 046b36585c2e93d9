"""DELIVERIES, RETRIES → HTTPS, OperationalAttempt. Look, post, record, retry."""

from datetime import timedelta
from random import random
from time import monotonic, sleep
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from msgspec.structs import replace

from hookwatch import secrets_manager, tables, times
from hookwatch.encryption import Encryption
from hookwatch.erasing import deletions
from hookwatch.logs import logger
from hookwatch.metrics import count, metrics
from hookwatch.notifying import attempts, endpoints, formats, pacing, receivers, retry, signing
from hookwatch.notifying.alarm_topic import AlarmTopic
from hookwatch.notifying.attempts import Attempted
from hookwatch.notifying.credentials import CredentialsCache
from hookwatch.notifying.endpoints import EndpointCache, OperationalEndpoint
from hookwatch.notifying.pacing import Go
from hookwatch.notifying.queue import Delivery, Message, Messages
from hookwatch.notifying.receivers import IsDead
from hookwatch.notifying.retry import (
    Blocked,
    GiveUp,
    LastAttempt,
    Outcome,
    Post,
    Responded,
    RetryLater,
    Schedule,
    Settled,
    Wait,
)
from hookwatch.notifying.sender import Sender
from hookwatch.notifying.signing import SealKeys
from hookwatch.operational_events import TEST
from hookwatch.settings import DeliverySettings

settings = DeliverySettings.from_environment()
schedule, once = Schedule(settings.retry_schedule), Schedule(())
dead_after = timedelta(days=settings.disables_after_days)
messages = Messages(settings.retries_queue_url, settings.deliveries_dead_letters_queue_url)
sender = Sender(settings.allowed_networks, allow_http=settings.allow_http)
operational_endpoints = EndpointCache(settings.endpoint_cache_seconds)
credentials = CredentialsCache(Encryption(settings.secrets_encryption_key))
alarm_topic = AlarmTopic(settings.alarm_topic)
_VERDICTS = {
    "delivered": "DeliveriesDelivered",
    "retrying": "DeliveriesRetried",
    "exhausted": "DeliveriesExhausted",
    "given_up": "DeliveriesGivenUp",
    "cancelled": "DeliveriesCancelled",
}
tables.connect(tables.OperationalAttempt, tables.OperationalEndpoint, tables.DeliveryPace, tables.Application)


def deliver(message: Message) -> None:
    delivery = message.delivery
    match retry.next_step(last_attempt(message), times.now()):
        case Settled(status, outcome):
            alarm_topic.tell(delivery, status, outcome)  # whoever settled it may have been killed before
        case Wait(delay):
            message.come_back_after(delay)
        case Post(number) if delivery.has_expired(now := times.now()):
            conclude(message, Attempted(number, None, GiveUp("expired"), now, timedelta()), None)
        case Post(number):
            endpoint = find_endpoint(delivery)
            if (message.is_retry or endpoint is None or delivery.is_batch) and is_erased(delivery):
                return
            match turn(message, endpoint):
                case Wait(delay, is_placed):
                    message.come_back_after(delay, is_placed=is_placed)
                case Go(after):
                    sleep(after)
                    attempt(message, number, endpoint)


def look(batch: list[Message]) -> None:
    """At first attempts, all at once; a copy looks for itself, when its first is done."""
    untried = attempts.untried(message.delivery for message in batch if not message.is_retry)
    for message in batch:
        message.is_untried = message.delivery.delivery_id in untried
        untried.discard(message.delivery.delivery_id)


def last_attempt(message: Message) -> LastAttempt | None:
    """What the look at the batch found holds once: whoever comes again comes because something has happened."""
    if message.is_untried:
        message.is_untried = False
        return None
    return attempts.last(message.delivery)


def find_endpoint(delivery: Delivery) -> OperationalEndpoint | None:
    """None where there is nobody to post to any more. That is final, so it is not said from memory; and whoever asks
    for a test has just changed something."""
    endpoint = None if delivery.event_type == TEST else operational_endpoints.find(delivery.operational_endpoint_id)
    if endpoint is None or not endpoint.is_enabled:
        endpoint = endpoints.find(delivery.operational_endpoint_id)
    return endpoint if endpoint and endpoint.is_enabled else None


def is_erased(delivery: Delivery) -> bool:
    """Whether its application was deleted while it waited: nothing of that goes out, or on record, any more."""
    application_id, detected_at = delivery.tells_of()
    deletion = deletions.find(application_id)
    if deletion is None or not deletion.covers(detected_at):
        return False
    logger.info("an application is deleted", **delivery.ids())
    count("DeliveriesCancelled")
    return True


def turn(message: Message, endpoint: OperationalEndpoint | None) -> Go | Wait:
    """What became risky after it was queued goes over to RETRIES before it can hang here."""
    if endpoint is None:
        return Go()
    if not message.is_retry and message.delivery.is_risky(endpoint):
        return Wait(timedelta())
    credentials.of(endpoint)  # before a slot is taken: what comes after it delays the POST
    delivery = message.delivery
    return pacing.turn(endpoint, times.now(), delivery.comes_at, yields=bool(delivery.replay))


def attempt(message: Message, number: int, endpoint: OperationalEndpoint | None) -> None:
    delivery, attempted_at, started = message.delivery, times.now(), monotonic()
    outcome = post(delivery, endpoint) if endpoint else None
    verdict = retry.judge(outcome, number, schedule_of(delivery, endpoint), jitter=random())  # noqa: S311  # no secret
    elapsed = timedelta(seconds=monotonic() - started)
    conclude(message, Attempted(number, outcome, verdict, attempted_at, elapsed), endpoint)


def schedule_of(delivery: Delivery, endpoint: OperationalEndpoint | None) -> Schedule:
    """A heartbeat is not tried again: the next one follows."""
    if delivery.is_heartbeat:
        return once
    return schedule if endpoint is None or endpoint.retry_schedule is None else Schedule(endpoint.retry_schedule)


def conclude(message: Message, attempted: Attempted, endpoint: OperationalEndpoint | None) -> None:
    delivery = message.delivery
    logger.info("attempt", **delivery.ids(), **attempted.told())
    if attempted.outcome:
        count("Attempts")
    if attempts.record(delivery, attempted, settings.event_retention_days):
        tell(delivery, attempted)
        apply(attempted, message, endpoint)
    else:
        count("DuplicateAttempts")
        deliver(message)  # a copy was first: go by what it recorded


def post(delivery: Delivery, endpoint: OperationalEndpoint) -> Outcome:
    known, now = credentials.of(endpoint), times.now()
    body = formats.finished(delivery.format, delivery.body, known.routing_key)
    signature = signing.headers(known.active(now), delivery.event_id, now, body)
    content_type = {"content-type": formats.FORMATS[delivery.format].content_type}
    replayed = {"hookwatch-replayed": "true"} if delivery.replay else {}
    outcome = sender.post(endpoint.url, body, {**content_type, **known.headers, **replayed, **signature})
    return without(known.routing_key, outcome) if known.routing_key else outcome


def without(routing_key: str, outcome: Outcome) -> Outcome:
    """What a receiver answers is kept and shown, and some repeat what they were told."""
    if not isinstance(outcome, Responded):
        return outcome
    return replace(outcome, body=outcome.body.replace(routing_key.encode(), endpoints.HIDDEN.encode()))


def tell(delivery: Delivery, attempted: Attempted) -> None:
    """Of what is on record, the metrics. A heartbeat is for its receiver to miss; a replay is late by intention."""
    is_missed = delivery.is_heartbeat and attempted.status == "exhausted"
    count("HeartbeatsFailed" if is_missed else _VERDICTS[attempted.status])
    if isinstance(attempted.outcome, Blocked):
        count("AttemptsBlocked")
    if attempted.number == 1 and attempted.outcome and not (delivery.replay or delivery.is_batch):  # asked to wait
        lag = attempted.attempted_at - delivery.tells_of()[1]
        count("DeliveryLag", lag / timedelta(milliseconds=1), MetricUnit.Milliseconds)


def apply(attempted: Attempted, message: Message, endpoint: OperationalEndpoint | None) -> None:
    if isinstance(attempted.verdict, RetryLater):
        message.come_back_after(attempted.verdict.delay)
    change = endpoint and receivers.judge(endpoint, attempted, dead_after)
    if endpoint and change and receivers.note(endpoint, change):
        logger.info("a receiver changed", **message.delivery.ids(), change=str(change))
        if isinstance(change, IsDead):
            count("OperationalEndpointsDisabled")
    if change:
        operational_endpoints.forget(message.delivery.operational_endpoint_id)
    alarm_topic.tell(message.delivery, attempted.status, str(attempted.outcome))


def seal_keys(*, is_fresh: bool) -> SealKeys:
    return SealKeys.from_json(secrets_manager.get(settings.seal_key_secret, is_fresh=is_fresh))


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """All deliveries of a batch go out at the same time."""
    batch, forged = messages.take(event, seal_keys)
    count("ForgedMessages", forged)
    if retries := [message.sent_at for message in batch if message.is_retry]:
        count("RetryAge", (times.now() - min(retries)).total_seconds(), MetricUnit.Seconds)
    look(batch)
    return messages.process(batch, deliver)
