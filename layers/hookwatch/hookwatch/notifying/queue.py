"""DELIVERIES and RETRIES: what is owed, sealed, and how it waits.

DELIVERIES holds first attempts, and nothing waits there. What is due later is on RETRIES, where it is hidden until
then: hidden messages count against the 120,000 that SQS has in flight for a queue (SQS quotas), and so can slow only
retries.
"""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from hookwatch import aws, times
from hookwatch.logs import logger
from hookwatch.notifying import formats
from hookwatch.notifying.endpoints import OperationalEndpoint
from hookwatch.notifying.signing import SealKeys
from hookwatch.operational_events import BATCH, HEARTBEAT, TEST

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

_BATCH_MESSAGES = 10  # SQS SendMessageBatch, and what Lambda hands out without a batch window
_BATCHES_AT_ONCE = 8  # a hundred events to a hundred endpoints are a thousand batches
_BATCH_BYTES = 250_000  # SQS takes 1 MiB; older regions 256 KiB
_LONGEST_DELAY = timedelta(minutes=15)  # SQS DelaySeconds
_LONGEST_HIDING = timedelta(hours=11, minutes=59)  # SQS hides for 12 h, counted from the receipt


class _Data(msgspec.Struct):
    application_id: str = ""
    detected_at: datetime | None = None
    expires_at: datetime | None = None


class _Body(msgspec.Struct):
    timestamp: datetime
    data: _Data


class Rendered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of a body that is not one event in the standard format: which format, and what such a body says of its event. Of
    a batch it is the oldest's `detected_at`."""

    format: str
    application_id: str
    detected_at: datetime
    expires_at: datetime | None = None


class Delivery(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One operational event, or a batch of them, owed to one operational endpoint: once, or once more by the replay
    `replay`. Of a batch `event_id` is the batch's.

    `application_id` is the operational endpoint's, `body` what is posted, but for a secret of its format; `rendered` is
    None where it is one event in the standard one. `seal` is the deployment's signature over all
    but `comes_at`, so that what merely lies on the queue sends nothing. Before `comes_at` the delivery waits.
    """

    delivery_id: str
    event_id: str
    event_type: str
    operational_endpoint_id: str
    body: str
    application_id: str = ""
    rendered: Rendered | None = None
    replay: str = ""
    comes_at: datetime | None = None
    seal: str = ""

    @classmethod
    def owed(
        cls,
        *,
        event_id: str,
        event_type: str,
        operational_endpoint_id: str,
        body: str,
        application_id: str,
        rendered: Rendered | None = None,
        replay: str = "",
    ) -> "Delivery":
        parts = msgspec.json.encode([event_id, operational_endpoint_id, replay])
        return cls(
            delivery_id=f"dlv_{hashlib.sha256(parts).hexdigest()[:32]}",
            event_id=event_id,
            event_type=event_type,
            operational_endpoint_id=operational_endpoint_id,
            body=body,
            application_id=application_id,
            rendered=rendered,
            replay=replay,
        )

    @property
    def format(self) -> str:
        return self.rendered.format if self.rendered else formats.STANDARD

    def is_risky(self, endpoint: OperationalEndpoint) -> bool:
        """Whether it may well hang, and so is for RETRIES. For a test of one that nobody knows yet somebody waits."""
        return endpoint.is_doubtful and not (self.event_type == TEST and endpoint.failing_since is None)

    def tells_of(self) -> tuple[str, datetime]:
        """The event's application, which the operational endpoint's need not be, and when Hookwatch learned of it."""
        if self.rendered:
            return self.rendered.application_id, self.rendered.detected_at
        body = msgspec.json.decode(self.body, type=_Body)
        return body.data.application_id or self.application_id, body.data.detected_at or body.timestamp

    @property
    def is_batch(self) -> bool:
        return self.event_type == BATCH

    @property
    def is_heartbeat(self) -> bool:
        return self.event_type == HEARTBEAT

    def has_expired(self, now: datetime) -> bool:
        """Whether it is a heartbeat whose time is over: later it would tell of health that may be gone."""
        if not self.is_heartbeat:  # what a platform says in its own types may have any field
            return False
        told = self.rendered or msgspec.json.decode(self.body, type=_Body).data
        expires_at = told.expires_at
        return expires_at is not None and expires_at <= now

    def ids(self) -> dict[str, Any]:
        """What a log line needs to be found by."""
        ids = {"event_id": self.event_id, "operational_endpoint_id": self.operational_endpoint_id}
        return ids | ({"replay": self.replay} if self.replay else {})

    def sealed(self, keys: SealKeys) -> "Delivery":
        return replace(self, seal=keys.seal(*self._sealed_parts()))

    def is_sealed(self, keys: SealKeys) -> bool:
        return keys.is_sealed(self.seal, *self._sealed_parts())

    def _sealed_parts(self) -> tuple[str, ...]:
        return (
            self.delivery_id,
            self.event_id,
            self.event_type,
            self.operational_endpoint_id,
            self.replay,
            self.body,
            # What version 0.1 put on a queue has no application, and what 0.2 did is in the standard format.
            *(
                [self.application_id, msgspec.json.encode(self.rendered).decode()]
                if self.rendered
                else filter(None, [self.application_id])
            ),
        )


class Unsent(Exception):
    """Not everything is on the queue. What is sent again under the same delivery ids is recognised as a copy."""


class Outbox:
    """DELIVERIES and RETRIES, as they are filled with what an event is owed; and what wakes a batch."""

    def __init__(self, deliveries_url: str, retries_url: str, failures_url: str, batches_url: str) -> None:
        self._deliveries_url = deliveries_url
        self._retries_url = retries_url
        self._failures_url = failures_url
        self._batches_url = batches_url
        self._sqs: SQSClient = aws.client("sqs")
        self._threads = ThreadPoolExecutor(_BATCHES_AT_ONCE, thread_name_prefix="outbox")

    def put(self, first: Iterable[Delivery], later: Iterable[Delivery]) -> None:
        """All of them: `first` on DELIVERIES, and on RETRIES `later`, which wait or whose receivers fail.

        Raises:
            Unsent, botocore.exceptions.ClientError, BotoCoreError: some may not be there.
        """
        batches = [
            (url, batch)
            for url, deliveries in ((self._deliveries_url, first), (self._retries_url, later))
            for batch in _batches(deliveries)
        ]
        for sent in [self._threads.submit(self._send, *each) for each in batches]:
            sent.result()

    def _send(self, url: str, batch: list["SendMessageBatchRequestEntryTypeDef"]) -> None:
        answer = self._sqs.send_message_batch(QueueUrl=url, Entries=batch)
        if failed := answer.get("Failed"):
            raise Unsent(f"{len(failed)} of {len(batch)} deliveries: {failed[0].get('Code')}")

    def wake(self, batch_id: str, delay: timedelta) -> None:
        """Has the batch sealed and delivered after `delay`, 15 min at most."""
        body = msgspec.json.encode({"batch_id": batch_id}).decode()
        self._sqs.send_message(
            QueueUrl=self._batches_url, MessageBody=body, DelaySeconds=_seconds(delay, _LONGEST_DELAY)
        )

    def put_failure(self, event_id: str, reason: str) -> None:
        """An event that can't be made into deliveries, on EMITTER FAILURES."""
        body = msgspec.json.encode({"event_id": event_id, "reason": reason}).decode()
        self._sqs.send_message(QueueUrl=self._failures_url, MessageBody=body)


def _batches(deliveries: Iterable[Delivery]) -> Iterator[list["SendMessageBatchRequestEntryTypeDef"]]:
    batch: list[SendMessageBatchRequestEntryTypeDef] = []
    size = 0
    for delivery in deliveries:
        body = msgspec.json.encode(delivery).decode()
        length = len(body.encode())
        if batch and (len(batch) == _BATCH_MESSAGES or size + length > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        # The group makes SQS share out its time among receivers (fair queues); on a standard queue it orders nothing.
        batch.append(
            {
                "Id": str(len(batch)),
                "MessageBody": body,
                "MessageGroupId": delivery.operational_endpoint_id,
                "DelaySeconds": _seconds(delivery.comes_at - times.now(), _LONGEST_DELAY) if delivery.comes_at else 0,
            }
        )
        size += length
    if batch:
        yield batch


def _seconds(delay: timedelta, longest: timedelta) -> int:
    return math.ceil(min(max(delay, timedelta()), longest).total_seconds())


class Message:
    """A delivery as SQS handed it out, and how it waits. What nothing was done with is acknowledged. `is_untried` says
    that nothing of it was on record when the function looked at the batch."""

    def __init__(self, record: dict[str, Any], delivery: Delivery, sqs: "SQSClient", retries_url: str) -> None:
        self.delivery = delivery
        self.message_id: str = record["messageId"]
        self.sent_at = datetime.fromtimestamp(int(record["attributes"]["SentTimestamp"]) / 1000, UTC)
        self.stays = self.is_untried = False
        self._receipt_handle: str = record["receiptHandle"]
        self.is_retry = record["eventSourceARN"].rpartition(":")[2] == retries_url.rpartition("/")[2]
        self._sqs = sqs
        self._retries_url = retries_url

    def come_back_after(self, delay: timedelta, *, is_placed: bool = False) -> None:
        """Out of sight for `delay`: on RETRIES where it is, from DELIVERIES over to RETRIES.

        What SQS does not hide for so long comes back sooner, and is then hidden for the rest: the record of the last
        attempt says for how long, or the message its place. A new place of that kind takes a new message.
        """
        if self.is_retry and not (is_placed and delay > _LONGEST_HIDING):
            self._sqs.change_message_visibility(
                QueueUrl=self._retries_url,
                ReceiptHandle=self._receipt_handle,
                VisibilityTimeout=_seconds(delay, _LONGEST_HIDING),
            )
            self.stays = True  # Lambda deletes what is not reported as failed, hidden or not
        else:
            self._sqs.send_message(
                QueueUrl=self._retries_url,
                MessageBody=msgspec.json.encode(replace(self.delivery, comes_at=times.now() + delay)).decode(),
                MessageGroupId=self.delivery.operational_endpoint_id,
                DelaySeconds=_seconds(delay, _LONGEST_DELAY),
            )


class Messages:
    """DELIVERIES and RETRIES, as the delivery function works on them, a batch at a time."""

    def __init__(self, retries_url: str, dead_letters_url: str) -> None:
        self._retries_url = retries_url
        self._dead_letters_url = dead_letters_url
        self._sqs: SQSClient = aws.client("sqs")
        self._threads = ThreadPoolExecutor(_BATCH_MESSAGES, thread_name_prefix="delivery")

    def take(self, event: dict[str, Any], seal_keys: Callable[..., SealKeys]) -> tuple[list[Message], int]:
        """The messages of a batch, and how many were not of our making: those are dead-lettered at once.

        A seal that does not fit is held against fresh keys first: the emitter may have learned of a rotation sooner.
        """
        messages: list[Message] = []
        keys = seal_keys(is_fresh=False)
        if any(_sealed(record["body"], keys) is None for record in event["Records"]):
            keys = seal_keys(is_fresh=True)
        for record in event["Records"]:
            delivery = _sealed(record["body"], keys)
            if delivery is None:
                logger.error("a message without our seal", message_id=record["messageId"])
                self._sqs.send_message(QueueUrl=self._dead_letters_url, MessageBody=record["body"])
            else:
                messages.append(Message(record, delivery, self._sqs, self._retries_url))
        return messages, len(event["Records"]) - len(messages)

    def process(self, messages: list[Message], work: Callable[[Message], None]) -> dict[str, Any]:
        """Works on all at the same time, but on a copy when its first is done, so that it sees what that recorded.
        Lambda's partial batch response: what raised, or waits hidden, stays."""
        for wave in _waves(messages):
            under_way = [(message, self._threads.submit(work, message)) for message in wave]
            for message, future in under_way:
                if error := future.exception():
                    message.stays = True
                    logger.error("a delivery could not be processed", **message.delivery.ids(), exc_info=error)
        return {"batchItemFailures": [{"itemIdentifier": message.message_id} for message in messages if message.stays]}


def _waves(messages: list[Message]) -> Iterable[list[Message]]:
    """No two copies of a delivery in one."""
    waves: dict[int, list[Message]] = defaultdict(list)
    copies: Counter[str] = Counter()
    for message in messages:
        waves[copies[message.delivery.delivery_id]].append(message)
        copies[message.delivery.delivery_id] += 1
    return waves.values()


def _sealed(body: str, keys: SealKeys) -> Delivery | None:
    try:
        delivery = msgspec.json.decode(body, type=Delivery)
    except (ValueError, RecursionError):
        return None
    return delivery if delivery.is_sealed(keys) else None
