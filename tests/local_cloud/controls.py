"""What a test does to a deployed stack behind its API's back, by AWS's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.local_cloud.cloud import Stack


@contextmanager
def stopped(stack: Stack, event_source: str) -> Iterator[None]:
    """An event source hands out nothing meanwhile, as a queue does whose 120,000 messages in flight are reached."""
    client, mapping = stack.client("lambda"), stack.physical("AWS::Lambda::EventSourceMapping")[event_source]
    client.update_event_source_mapping(UUID=mapping, Enabled=False)
    try:
        yield
    finally:
        client.update_event_source_mapping(UUID=mapping, Enabled=True)


def depth(stack: Stack, queue: str) -> int:
    return _messages(stack, queue, "ApproximateNumberOfMessages")


def under_way(stack: Stack, queue: str) -> int:
    """What waits there, hidden or not."""
    hidden = ("ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")
    return depth(stack, queue) + sum(_messages(stack, queue, name) for name in hidden)


def _messages(stack: Stack, queue: str, name: Any) -> int:
    answer = stack.client("sqs").get_queue_attributes(QueueUrl=stack.queues[queue], AttributeNames=[name])
    return int(answer["Attributes"][name])
