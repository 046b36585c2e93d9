"""The functions of a stack, invoked in this process with the environment and on the tables and queues that it has, and
what their invocations take of AWS, in a ledger.

Their event sources stand still meanwhile: what Lambda hands them, this hands them.
"""

import importlib
import io
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

import boto3

from tests.in_process.invoking import Context, handed_out, inserted
from tests.local_cloud.cloud import ROOT, Stack
from tests.performance import prices
from tests.performance.ledger import Ledger

_T = TypeVar("_T")

# Assumed, since no AWS was measured: how long a call of AWS takes, and a receiver; what START, END and REPORT are; the
# memory of every function as template.yaml has it.
CALL_SECONDS, RECEIVER_SECONDS, PLATFORM_LOG_BYTES, MEMORY_MB = 0.010, 0.150, 300, 512
ASSUMED = (
    f"Lambda's time is assumed, not measured: the processor time found here, {1769 / MEMORY_MB:.1f} times over, for a "
    f"function of {MEMORY_MB} MB has so small a share of a processor; {CALL_SECONDS * 1000:.0f} ms for each call of "
    f"AWS that is waited for, and {RECEIVER_SECONDS * 1000:.0f} ms for a batch's receivers, posted to at once."
)
_STREAM_BATCH = 100  # as template.yaml has it
_SOURCES = ("ObserverSource", "EmitterSource", "DeliverySource", "RetrySource")
# Threads that call AWS at the same time: a delivery each, and a batch of them each.
_AT_ONCE = {"delivery": 10, "emitter": 8}


def stand_still(stack: Stack) -> None:
    """Nothing that is queued or written wakes a deployed function any more: woken later, they would be busy for longer
    than it took to write."""
    client, mappings = stack.client("lambda"), stack.physical("AWS::Lambda::EventSourceMapping")
    for source in _SOURCES:
        client.update_event_source_mapping(UUID=mappings[source], Enabled=False)


def in_a_fresh_process(work: Callable[..., _T], *arguments: Any) -> _T:
    """Where no module knows another stack yet."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        return processes.submit(work, *arguments).result()


class _Log(io.TextIOBase):
    """Takes what functions log, and keeps how many bytes it was."""

    def __init__(self) -> None:
        self.bytes = 0

    def write(self, text: str) -> int:
        self.bytes += len(text.encode())
        return len(text)


class Functions:
    def __init__(self, stack: Stack, **settings: str) -> None:
        self._log = sys.stdout = _Log()  # before any function is imported, whose logger keeps it
        self.ledger = Ledger()  # before boto3 makes its session
        os.environ |= _environment(stack) | settings
        warnings.filterwarnings("ignore", "No application metrics to publish")  # as PYTHONWARNINGS says there
        self._queues, self._sqs, self._streams = stack.queues, boto3.client("sqs"), boto3.client("dynamodbstreams")
        self._iterators = self._at_the_end(stack.tables["OperationalEvent"])

    def invoke(self, name: str, event: dict[str, Any]) -> Any:
        handler = importlib.import_module(f"functions.{name}.app").handler
        with self.ledger.at(name) as used:
            logged, began = self._log.bytes, time.process_time()
            answer = handler(event, Context())
            used["CPU seconds"] += time.process_time() - began
            used["log GB"] += (self._log.bytes - logged + PLATFORM_LOG_BYTES) / 1e9
            used["Lambda requests"] += 1
        return answer

    def report(self, application_id: str, signals: list[dict[str, Any]]) -> None:
        """A request to /signals, behind the authorizer, which API Gateway asks once a minute for each key."""
        event = json.loads((ROOT / "events" / "ingest.json").read_text())
        event["body"] = json.dumps({"application_id": application_id, "signals": signals})
        answer = self.invoke("ingest", event)
        self.ledger.hops["ingest"]["API requests"] += 1
        if answer["statusCode"] != 202 or json.loads(answer["body"])["accepted"] != len(signals):
            raise RuntimeError(f"of {len(signals)} signals: {answer}")

    def observe(self) -> None:
        self._drain("observer", self._queues["Signals"])

    def emit(self) -> int:
        """Hands the emitter all that is new in the stream, a hundred at a time. To read it is free for Lambda."""
        records = list(self._new_records())
        for first in range(0, len(records), _STREAM_BATCH):
            self.invoke("emitter", {"Records": records[first : first + _STREAM_BATCH]})
        return len(records)

    def deliver(self) -> None:
        for queue in ("Deliveries", "Retries"):
            self._drain("delivery", self._queues[queue])

    def billed(self) -> dict[str, dict[str, float]]:
        """What each function took, with the seconds that it is assumed to take on AWS."""
        return {name: {**used, "Lambda GB-seconds": self._gb_seconds(name)} for name, used in self.ledger.hops.items()}

    def _gb_seconds(self, name: str) -> float:
        used = self.ledger.hops[name]
        waits = sum(self.ledger.own_calls(name).values()) / _AT_ONCE.get(name, 1) * CALL_SECONDS
        if name == "delivery":
            waits += used["Lambda requests"] * RECEIVER_SECONDS
        return prices.gb_seconds(
            cpu_seconds=used["CPU seconds"], waits=waits, invocations=used["Lambda requests"], memory_mb=MEMORY_MB
        )

    def say(self, text: str) -> None:
        print(f"\r{text}", end="", file=sys.stderr, flush=True)

    def _drain(self, name: str, queue_url: str) -> None:
        """Hands a function all that is on a queue, ten at a time. Lambda's own requests count as the function's."""
        arn = self._sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        while True:
            with self.ledger.at(name):
                answer = self._sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, AttributeNames=["All"])
            found: list[Any] = answer.get("Messages", [])
            if not found:
                return
            response = self.invoke(name, {"Records": handed_out(found, arn)})
            if response["batchItemFailures"]:
                raise RuntimeError(f"{name} could not: {response}")
            done = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(found)]
            with self.ledger.at(name):
                self._sqs.delete_message_batch(QueueUrl=queue_url, Entries=done)  # type: ignore[arg-type]

    def _at_the_end(self, table: str) -> list[str]:
        arn = boto3.client("dynamodb").describe_table(TableName=table)["Table"]["LatestStreamArn"]
        shards = self._streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        return [
            self._streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="LATEST")[
                "ShardIterator"
            ]
            for shard in shards
        ]

    def _new_records(self) -> Iterator[dict[str, Any]]:
        for n in range(len(self._iterators)):
            while True:
                answer = self._streams.get_records(ShardIterator=self._iterators[n])
                self._iterators[n] = answer["NextShardIterator"]
                if not answer["Records"]:
                    break
                for record in answer["Records"]:
                    if record["eventName"] == "INSERT":
                        yield inserted(record["dynamodb"]["NewImage"])


def _environment(stack: Stack) -> dict[str, str]:
    """That of all the functions, as they are deployed: they agree where they have the same names."""
    client = stack.client("lambda")
    found: dict[str, str] = {}
    for name in stack.physical("AWS::Lambda::Function").values():
        found |= client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    return found | {
        "AWS_ENDPOINT_URL": stack.endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": stack.region,
        "AWS_DEFAULT_REGION": stack.region,
    }
