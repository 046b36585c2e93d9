"""Copies what a restored table has into the stack's own, for CloudFormation knows only the table that it made."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hookwatch.operating.deployment import Deployment

# All but DeliveryPace and Idempotency: what those forget costs nothing.
TABLES = (
    "ApiKey",
    "Application",
    "Audit",
    "MessageStats",
    "MonitoredEndpoint",
    "OperationalAttempt",
    "OperationalEndpoint",
    "OperationalEvent",
    "OperationalEventType",
    "Replay",
    "Source",
)
_AT_ONCE = 16


class NotAlike(Exception):
    """The tables have other keys: the one was not restored from the other."""


def restore(
    deployment: Deployment, table: str, restored: str, progress: Callable[[str], None], *, overwrite: bool = False
) -> tuple[int, int]:
    """How many items were copied, and how many were left as they are in the stack's table, unless `overwrite`.

    Args:
        table: the logical id of the stack's.
        restored: the name of the other.

    Raises:
        NotAlike
    """
    dynamodb, target = deployment.client("dynamodb"), deployment.physical_id(table)
    keys = [dynamodb.describe_table(TableName=name)["Table"]["KeySchema"] for name in (target, restored)]
    if keys[0] != keys[1]:
        raise NotAlike(f"{restored} is no {table}: its key is another")
    condition = (
        {}
        if overwrite
        else {
            "ConditionExpression": "attribute_not_exists(#key)",
            "ExpressionAttributeNames": {"#key": keys[0][0]["AttributeName"]},
        }
    )

    def copy(item: dict[str, Any]) -> bool:
        try:
            dynamodb.put_item(TableName=target, Item=item, **condition)
        except dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True

    copied = left = 0
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for page in _pages(dynamodb, restored):
            done = list(pool.map(copy, page))
            copied, left = copied + sum(done), left + len(done) - sum(done)
            progress(f"{copied} copied, {left} left")
    return copied, left


def _pages(dynamodb: Any, table: str) -> Iterator[list[dict[str, Any]]]:
    for page in dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        yield page["Items"]
