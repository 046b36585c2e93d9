"""REPLAYS: for each running replay a message that says which step is to be taken. The truth is in Replay.

It is a FIFO queue, and a replay is a message group: so two workers never have the same replay, and a wake-up that is
sent once more within five minutes, since its sender was killed before it knew, is dropped (SQS, deduplication).
"""

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from hookwatch import aws

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class _WakeUp(msgspec.Struct, frozen=True):
    replay_id: str
    step: int


class WakeUp:
    """As SQS handed it out."""

    def __init__(self, record: dict[str, Any]) -> None:
        told = msgspec.json.decode(record["body"], type=_WakeUp)
        self.replay_id, self.step = told.replay_id, told.step
        self.message_id: str = record["messageId"]
        self.sent_at = datetime.fromtimestamp(int(record["attributes"]["SentTimestamp"]) / 1000, UTC)
        self.receipt_handle: str = record["receiptHandle"]


class WakeUps:
    def __init__(self, queue_url: str) -> None:
        self._url = queue_url
        self._sqs: SQSClient = aws.client("sqs")

    def send(self, replay_id: str, step: int, *, asked_by: str = "") -> None:
        """`asked_by` is the request that makes the replay: sent again, it is another one."""
        self._sqs.send_message(
            QueueUrl=self._url,
            MessageBody=msgspec.json.encode(_WakeUp(replay_id, step)).decode(),
            MessageGroupId=replay_id,
            MessageDeduplicationId=f"{replay_id}-{step}-{asked_by}",
        )

    def hide(self, wake_up: WakeUp, delay: timedelta) -> None:
        """Until then; whoever has it is to answer that it failed, or Lambda deletes it. A FIFO queue delays no single
        message, but hides one."""
        self._sqs.change_message_visibility(
            QueueUrl=self._url,
            ReceiptHandle=wake_up.receipt_handle,
            VisibilityTimeout=math.ceil(delay.total_seconds()),
        )
