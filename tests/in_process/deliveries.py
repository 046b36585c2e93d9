"""Deliveries on their queues, and receivers registered for them."""

import json
import time
import uuid
from typing import Any

import msgspec

from hookwatch.encryption import Encryption
from hookwatch.notifying import credentials, endpoints, signing
from hookwatch.notifying.credentials import Credentials
from hookwatch.notifying.endpoints import OperationalEndpoint
from hookwatch.notifying.queue import Delivery
from hookwatch.notifying.signing import SealKeys
from tests.in_process.auditing import BY_A_TEST
from tests.in_process.aws import SEAL_KEY, Aws
from tests.in_process.signals import unique
from tests.local_cloud.receiver import Receiver

SECRET = signing.to_secret(b"k" * 32)
HEADERS = {"X-Api-Token": "a-token-of-the-receiver"}


def register(aws: Aws, url: str, **fields: Any) -> str:
    """An operational endpoint with a secret and a header of its own."""
    operational_endpoint_id = unique("oep")
    known = Credentials((SECRET,), HEADERS, routing_key=fields.pop("routing_key", None))
    encryption = Encryption(aws.environment("SECRETS_ENCRYPTION_KEY"))
    endpoints.create(
        OperationalEndpoint(
            operational_endpoint_id=operational_endpoint_id,
            application_id=fields.pop("application_id", "shop"),
            has_succeeded=fields.pop("has_succeeded", True),
            url=url,
            credentials=credentials.encrypt(known, operational_endpoint_id, encryption),
            created_at="2026-11-23T10:00:00.000Z",
            updated_at="2026-11-23T10:00:00.000Z",
            **fields,
        ),
        BY_A_TEST,
    )
    return operational_endpoint_id


def register_receiver(aws: Aws, receiver: Receiver, **fields: Any) -> str:
    """One that is known to work, unless `fields` say otherwise."""
    receiver.secret = SECRET
    return register(aws, receiver.url, **fields)


def owed(operational_endpoint_id: str, event_id: str | None = None, application_id: str = "shop") -> Delivery:
    return Delivery.owed(
        event_id=event_id or unique("evt"),
        event_type="endpoint.failing",
        operational_endpoint_id=operational_endpoint_id,
        application_id=application_id,
        body=json.dumps({"type": "endpoint.failing", "timestamp": "2026-11-23T10:00:00.000Z", "data": {}}),
    ).sealed(SealKeys(SEAL_KEY))


def record(delivery: Delivery | str, queue: str = "Deliveries") -> dict[str, Any]:
    """As Lambda hands it out from DELIVERIES or RETRIES."""
    return {
        "messageId": str(uuid.uuid4()),
        "receiptHandle": "receipt",
        "body": delivery if isinstance(delivery, str) else msgspec.json.encode(delivery).decode(),
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": str(int(time.time() * 1000))},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:eu-central-1:123456789012:{queue}",
        "awsRegion": "eu-central-1",
    }


def received(aws: Aws, delivery: Delivery, queue: str) -> dict[str, Any]:
    """Puts it on the queue and takes it off again, with a receipt handle that counts; it is hidden until then."""
    sqs, url = aws.client("sqs"), aws.queue_urls[queue]
    sqs.send_message(QueueUrl=url, MessageBody=msgspec.json.encode(delivery).decode())
    [message] = sqs.receive_message(QueueUrl=url, VisibilityTimeout=180)["Messages"]
    return record(delivery, queue) | {"messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"]}


def deliver(aws: Aws, *records: dict[str, Any]) -> list[str]:
    """The ids of the messages that stay on their queue."""
    answer = aws.invoke("delivery", {"Records": list(records)})
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def attempts(aws: Aws, delivery: Delivery) -> list[dict[str, Any]]:
    """As they are on record, first to last."""
    found = aws.client("dynamodb").query(
        TableName="OperationalAttempt",
        KeyConditionExpression="event_id = :event",
        ExpressionAttributeValues={":event": {"S": delivery.event_id}},
        ConsistentRead=True,
    )["Items"]
    return [{name: next(iter(value.values())) for name, value in item.items()} for item in found]
