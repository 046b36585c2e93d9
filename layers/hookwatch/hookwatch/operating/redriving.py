"""Takes what lies on a dead-letter queue back to where it can be processed."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from hookwatch.operating.deployment import Deployment
from hookwatch.operating.reemitting import reemit

SOURCES = {
    "SignalsDeadLetters": "Signals",
    "DeliveriesDeadLetters": "Deliveries",
    "RetriesDeadLetters": "Retries",
    "BatchesDeadLetters": "Batches",
    "ReplaysDeadLetters": "Replays",
    "EmitterFailures": None,  # not messages but ids, or times, of events: the reemitter takes them
    "AlarmsFailures": None,  # not messages but events of EventBridge: the function takes them again
}
_FIFO = {"Signals", "Replays"}
_HIDDEN_SECONDS = 120
_DETECTED_EARLIER = timedelta(hours=1)  # an event is written after it was detected: by the backlog of SIGNALS


def redrive(deployment: Deployment, queue: str, progress: Callable[[str], None]) -> int:
    """How many messages were taken back; each is deleted when it is safe elsewhere. What returns meanwhile is left, and
    so is an event that still cannot be told, or an alarm."""
    done, source, left = 0, SOURCES[queue], []
    sqs, url = deployment.client("sqs"), deployment.physical_id(queue)
    for message in _taken(deployment, queue):
        if source is not None:
            _send(deployment, source, message)
        elif not _REMEDIES[queue](deployment, json.loads(message["Body"])):
            progress(f"left: {message['Body']}")
            left.append(message["ReceiptHandle"])
            continue
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        done += 1
        progress(f"{done} messages")
    for receipt_handle in left:  # last, so that none is received twice
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=receipt_handle, VisibilityTimeout=0)
    return done


def _taken(deployment: Deployment, queue: str) -> Iterator[dict[str, Any]]:
    """As many messages as lie there now: one that fails at once must not be taken back for ever."""
    sqs, url = deployment.client("sqs"), deployment.physical_id(queue)
    name = "ApproximateNumberOfMessages"
    left = int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])
    while left > 0:
        messages = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=min(10, left),
            VisibilityTimeout=_HIDDEN_SECONDS,
            WaitTimeSeconds=2,
            MessageSystemAttributeNames=["All"],
        ).get("Messages")
        if not messages:
            return
        left -= len(messages)
        yield from messages


def _send(deployment: Deployment, queue: str, message: dict[str, Any]) -> None:
    """The same text in the same group. On a FIFO queue under another deduplication id: under its first SQS would drop a
    message that was sent within the last five minutes, and whoever takes it knows it by its content anyway."""
    kept = {"MessageGroupId": group} if (group := message["Attributes"].get("MessageGroupId")) else {}
    if queue in _FIFO:
        kept["MessageDeduplicationId"] = message["MessageId"]
    url = deployment.physical_id(queue)
    deployment.client("sqs").send_message(QueueUrl=url, MessageBody=message["Body"], **kept)


def _reemit(deployment: Deployment, failure: dict[str, Any]) -> bool:
    """What the emitter could not tell. Whether all of it is told now."""
    return not reemit(deployment, _events_of(failure), lambda _: None)["failed"]


def _tell_alarm(deployment: Deployment, failure: dict[str, Any]) -> bool:
    """What Lambda gave up, with the event in it (on-failure destination of an asynchronous invocation). Whether it is
    told now."""
    answer = deployment.client("lambda").invoke(
        FunctionName=deployment.physical_id("Alarms"), Payload=json.dumps(failure["requestPayload"])
    )
    return "FunctionError" not in answer


_REMEDIES = {"EmitterFailures": _reemit, "AlarmsFailures": _tell_alarm}


def _events_of(failure: dict[str, Any]) -> dict[str, Any]:
    """The request for what a message of EMITTER FAILURES stands for: one event that the emitter put aside, or the batch
    of a stream that Lambda gave up (Lambda, on-failure destination of a DynamoDB stream: no payload, only times)."""
    if "event_id" in failure:
        return {"event_ids": [failure["event_id"]]}
    batch = failure["DDBStreamBatchInfo"]
    first = datetime.fromisoformat(batch["approximateArrivalOfFirstRecord"]) - _DETECTED_EARLIER
    last = datetime.fromisoformat(batch["approximateArrivalOfLastRecord"]) + timedelta(minutes=1)
    return {"since": first.isoformat(), "until": last.isoformat()}
