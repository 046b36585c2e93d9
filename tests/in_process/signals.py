"""Batches of SIGNALS, as Lambda hands them to the observer."""

import uuid
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from hookwatch.observing.signals import Attempt, EndpointChange, Signal, to_reports

QUEUE_ARN = "arn:aws:sqs:eu-central-1:123456789012:Signals.fifo"
START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
_sequence_numbers = count(18881776193839599616, 256)


def unique(prefix: str) -> str:
    """An id that no other test uses, so that the tests share tables and nothing in them."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def attempt(endpoint_id: str, second: float, *, succeeded: bool = False, **fields: Any) -> Attempt:
    return Attempt(
        endpoint_id=endpoint_id,
        message_id=fields.pop("message_id", f"m{second}"),
        attempt_number=fields.pop("attempt_number", 1),
        succeeded=succeeded,
        attempted_at=START + timedelta(seconds=second),
        will_retry=fields.pop("will_retry", not succeeded),
        response_status_code=200 if succeeded else 503,
        **fields,
    )


def created(endpoint_id: str, second: float = 0) -> EndpointChange:
    return EndpointChange(
        type="endpoint.created",
        endpoint_id=endpoint_id,
        signal_id=f"created {endpoint_id}",
        occurred_at=START + timedelta(seconds=second),
        configuration={"url": "https://erp.example.com/hooks"},
    )


def messages(application_id: str, *signals: Signal, received_at: datetime | None = None) -> list[dict[str, Any]]:
    """The records of a batch that carries `signals`, each endpoint's in a message of its own."""
    reports = to_reports(
        signals,
        application_id=application_id,
        received_at=received_at or max(signal.at for signal in signals) + timedelta(seconds=1),
        reported_by="key:admin",
        batch_id="batch_1",
    )
    return [record(report.to_json(), report.group_id) for report in reports]


def record(body: str, group_id: str, *, receives: int = 1) -> dict[str, Any]:
    return {
        "messageId": str(uuid.uuid4()),
        "receiptHandle": "receipt",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": str(receives),
            "SentTimestamp": "1795428032000",
            "SequenceNumber": str(next(_sequence_numbers)),
            "MessageGroupId": group_id,
        },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": QUEUE_ARN,
        "awsRegion": "eu-central-1",
    }


def redriven(message: dict[str, Any]) -> dict[str, Any]:
    """As it comes back from the dead-letter queue: under a new message id and a new sequence number."""
    return record(message["body"], message["attributes"]["MessageGroupId"])
