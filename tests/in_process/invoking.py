"""What Lambda gives a function: a context, messages of a queue, records of a stream."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass
class Context:
    """What Lambda tells a function of itself."""

    function_name: str = "function"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:function"
    aws_request_id: str = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


def handed_out(messages: Iterable[dict[str, Any]], queue_arn: str) -> list[dict[str, Any]]:
    """As Lambda hands out what it received from a queue."""
    return [
        {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": queue_arn,
            "awsRegion": queue_arn.split(":")[3],
        }
        for message in messages
    ]


def inserted(item: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The record of the stream of events for an item that was put: with bytes as base64, for it travels as JSON."""
    image = {
        name: {
            kind: base64.b64encode(held).decode() if isinstance(held, bytes) else held for kind, held in value.items()
        }
        for name, value in item.items()
    }
    return {"eventName": "INSERT", "dynamodb": {"Keys": {"event_id": image["event_id"]}, "NewImage": image}}


def _as_json(held: Any) -> Any:
    return base64.b64encode(held).decode() if isinstance(held, bytes) else held
