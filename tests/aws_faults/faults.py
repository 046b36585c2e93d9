"""How AWS fails, as rules of microburst."""

from collections.abc import Sequence
from typing import Any

from tests.aws_faults.calls import Call

Fault = dict[str, Any]
_THROTTLED = {"dynamodb": "ProvisionedThroughputExceededException", "sqs": "RequestThrottled", "sns": "Throttled"}
# Why DynamoDB cancels a transaction whose conditions hold (DynamoDB API, TransactWriteItems).
_REASONS = ("TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded")
# Answered in part: all but the last entry is done.
BATCHES = ("SendMessageBatch", "BatchGetItem", "BatchWriteItem")


def throttled(call: Call) -> Fault:
    return {"error": {"code": _THROTTLED.get(call.service, "ThrottlingException"), "status": 400}}


def failed(_: Call) -> Fault:
    return {"error": {"code": "InternalServerError", "status": 500}}


def timed_out(_: Call) -> Fault:
    return {"timeout_ms": 200}  # then a 504


def reset(_: Call) -> Fault:
    return {"reset": True}


def unanswered(_: Call) -> Fault:
    """It is carried out, and the answer breaks off."""
    return {"response": {"abort_bytes": 1}}


KINDS = (throttled, failed, timed_out, reset, unanswered)


def of_turn(calls: Sequence[Call], turn: int) -> list[tuple[Call, Fault]]:
    """Every call meets one kind, and each transaction is cancelled for each reason; in five turns every call meets
    every kind. The cancellations come first: what was carried out and not answered may never be asked again."""
    cancelled = [
        (call, _cancelled(reason)) for call in calls if call.operation == "TransactWriteItems" for reason in _REASONS
    ]
    return cancelled + [(call, KINDS[(number + turn) % len(KINDS)](call)) for number, call in enumerate(calls)]


def _cancelled(reason: str) -> Fault:
    fields = {"CancellationReasons": [{"Code": reason, "Message": "made to fail"}]}
    message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{reason}]"
    return {"error": {"code": "TransactionCanceledException", "status": 400, "message": message, "fields": fields}}
