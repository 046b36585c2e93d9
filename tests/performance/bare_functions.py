"""The hops of Hookwatch with nothing to do in them, as the local cloud runs them: a module without a neighbour.

Each names the event that it passes on, as Hookwatch's do: the local cloud waits 50 ms for a line of log from a function
that writes none.
"""

import json
import os
import urllib.request
from typing import Any

import boto3

_dynamodb, _sqs = boto3.client("dynamodb"), boto3.client("sqs")


def observe(event: dict[str, Any], _context: object) -> None:
    """Queue → table."""
    for record in event["Records"]:
        fields = json.loads(record["body"])
        item = {"event_id": {"S": fields["event_id"]}, "body": {"S": record["body"]}}
        _dynamodb.put_item(TableName=os.environ["TABLE"], Item=item)
        print(fields["event_id"])


def emit(event: dict[str, Any], _context: object) -> None:
    """Stream → queue."""
    for record in event["Records"]:
        image = record["dynamodb"]["NewImage"]
        _sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=image["body"]["S"])
        print(image["event_id"]["S"])


def deliver(event: dict[str, Any], _context: object) -> None:
    """Queue → HTTP."""
    for record in event["Records"]:
        fields = json.loads(record["body"])
        headers = {"content-type": "application/json", "webhook-id": fields["event_id"]}
        request = urllib.request.Request(os.environ["URL"], record["body"].encode(), headers)  # noqa: S310  # our own
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310
        print(fields["event_id"])
