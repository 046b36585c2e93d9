"""Events of the past, and replays of them, step by step."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from hookwatch import event_items, times
from hookwatch.notifying import replays
from hookwatch.notifying.queue import Delivery
from hookwatch.notifying.replays import Replay
from hookwatch.operational_events import OperationalEvent
from tests.in_process.api import call
from tests.in_process.aws import Aws
from tests.in_process.deliveries import deliver, record
from tests.in_process.signals import unique

START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
SINCE = times.to_text(START)


def happened(
    application_id: str, *moments: datetime, type_: str = "message.attempt.recovered", **data: Any
) -> list[str]:
    """The ids of events that were written, and learned of, at those moments, and never emitted."""
    ids = []
    for moment in moments:
        told = {"endpoint_id": "erp", "endpoint_url": None, "message_id": "m", "dedup_key": "message:erp:m"} | data
        event = OperationalEvent(
            event_id=unique("evt"),
            application_id=application_id,
            type=type_,
            timestamp=moment,
            data=told | {"detected_at": times.to_text(moment)},
            quiet=bool(data.get("quiet")),
        )
        assert event_items.create(event, retention_days=30)
        ids.append(event.event_id)
    return ids


def each_second(number: int) -> list[datetime]:
    return [START + timedelta(seconds=second) for second in range(number)]


def begin(aws: Aws, operational_endpoint_id: str, **body: Any) -> str:
    status, answer = call(aws, "POST", f"/{operational_endpoint_id}/replay", {"since": SINCE} | body)
    assert status == 202, answer
    return str(answer["replay_id"])


def found(replay_id: str) -> Replay:
    replay = replays.find(replay_id)
    assert replay is not None
    return replay


def wake(aws: Aws, replay_id: str, act: Callable[[dict[str, Any]], Any] | None = None) -> bool:
    """Hands its next wake-up to the replayer, or to `act`; False where there is none in sight. As with Lambda one that
    raises, or is answered as failed, stays; after a raise it is in sight again at once."""
    sqs, url = aws.client("sqs"), aws.queue_urls["Replays"]
    while messages := sqs.receive_message(QueueUrl=url, AttributeNames=["All"], VisibilityTimeout=180).get("Messages"):
        [message] = messages
        receipt = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}
        if json.loads(message["Body"])["replay_id"] != replay_id:
            sqs.delete_message(**receipt)  # another test's
            continue
        handed = {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:Replays.fifo",
        }
        try:
            answer = (act or (lambda event: aws.invoke("replayer", event)))({"Records": [handed]})
        except BaseException:
            sqs.change_message_visibility(**receipt, VisibilityTimeout=0)
            raise
        if answer == {"batchItemFailures": []}:
            sqs.delete_message(**receipt)
        return True
    return False


def run(aws: Aws, replay_id: str) -> Replay:
    """Until it has ended, or waits."""
    while wake(aws, replay_id):
        pass
    return found(replay_id)


def queued(aws: Aws, replay_id: str) -> list[Delivery]:
    """Its deliveries on RETRIES, in the order in which they go out; copies too."""
    assert not [body for body in aws.bodies("Deliveries") if replay_id in body], "DELIVERIES is for live events"
    deliveries = [msgspec.json.decode(body, type=Delivery) for body in aws.bodies("Retries") if replay_id in body]
    return sorted(deliveries, key=lambda delivery: delivery.comes_at or START)


def deliver_queued(aws: Aws, replay_id: str) -> None:
    for delivery in queued(aws, replay_id):
        assert deliver(aws, record(msgspec.structs.replace(delivery, comes_at=None), "Retries")) == []
