"""SIGNALS: puts reports on it and takes them off."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from hookwatch import aws, errors
from hookwatch.observing.counting import Message
from hookwatch.observing.signals import Report

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

# A transaction of DynamoDB takes 100 items: the record, these, and the few that attempts add by opening or closing.
_EVENTS_AT_MOST = 80
_BATCH_MESSAGES = 10  # SQS SendMessageBatch
_BATCH_BYTES = 250_000  # SQS takes 1 MiB; older regions 256 KiB


class SignalsQueue:
    def __init__(self, queue_url: str) -> None:
        self._url = queue_url
        self._sqs: SQSClient = aws.client("sqs")

    def put(self, reports: Iterable[Report]) -> None:
        """All of them, durably.

        Raises:
            errors.Problem: 503, not all are on the queue. Putting the same again puts no report twice (within the
                five minutes of SQS's deduplication).
        """
        for batch in _batches(reports):
            try:
                answer = self._sqs.send_message_batch(QueueUrl=self._url, Entries=batch)
            except (BotoCoreError, ClientError) as error:
                raise errors.unavailable("The signals could not be queued; send the same request again.") from error
            if answer.get("Failed"):
                raise errors.unavailable("Not all signals could be queued; send the same request again.")


def _batches(reports: Iterable[Report]) -> Iterator[list["SendMessageBatchRequestEntryTypeDef"]]:
    batch: list[SendMessageBatchRequestEntryTypeDef] = []
    size = 0
    for report in reports:
        body = report.to_json()
        length = len(body.encode())
        if batch and (len(batch) == _BATCH_MESSAGES or size + length > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(
            {
                "Id": str(len(batch)),
                "MessageBody": body,
                "MessageGroupId": report.group_id,
                "MessageDeduplicationId": report.id,
            }
        )
        size += length
    if batch:
        yield batch


class Merging:
    """One batch, as Lambda hands it out: messages of one group are taken together, to be counted in one write."""

    def __init__(self, records: list[dict[str, Any]]) -> None:
        self._groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for record in records:
            self._groups[record["attributes"]["MessageGroupId"]].append(record)
        self._counted: dict[str, list[Message]] = defaultdict(list)

    def up_to(self, record: dict[str, Any]) -> list[Message]:
        """`record` and those behind it in its group, as many as one transaction can hold, after those of the group that
        this batch has counted; [] where `record` itself was.

        Raises:
            ValueError: the body of `record` is not a report.
        """
        group_id = record["attributes"]["MessageGroupId"]
        group, counted = self._groups[group_id], self._counted[group_id]
        if record["messageId"] in {message.message_id for message in counted}:
            return []
        position = [other["messageId"] for other in group].index(record["messageId"])
        merged = [_to_message(record)]
        for following in group[position + 1 :]:
            try:
                message = _to_message(following)
            except (ValueError, RecursionError):
                break  # it fails when its own turn comes
            if _events_at_most([*merged, message]) > _EVENTS_AT_MOST:
                break
            merged.append(message)
        return [*counted, *merged]

    def signals_repeated(self, repeated: Iterable[Message]) -> int:
        """How many signals `repeated` carry, but for what this batch itself has counted."""
        own = {message.message_id for messages in self._counted.values() for message in messages}
        return sum(len(message.report.signals) for message in repeated if message.message_id not in own)

    def counted(self, messages: list[Message]) -> None:
        self._counted[messages[0].report.group_id] = messages


def _events_at_most(messages: list[Message]) -> int:
    return sum(signal.events_at_most for message in messages for signal in message.report.signals)


def _to_message(record: dict[str, Any]) -> Message:
    attributes = record["attributes"]
    return Message(
        message_id=record["messageId"],
        report=Report.from_json(record["body"]),
        queue_arn=record["eventSourceARN"],
        sequence_number=int(attributes["SequenceNumber"]),
        receives=int(attributes["ApproximateReceiveCount"]),
    )
