"""The floor of the local cloud: queue, table, stream, queue and POST as Hookwatch has them, between functions that do
nothing. It stands beside the deployed stack, and goes when it was measured."""

import io
import json
import sys
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.local_cloud.cloud import Stack

_SOURCE = Path(__file__).with_name("bare_functions.py")
_ACCOUNT = "000000000000"
_TRUSTED = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
_ALLOWED = {"Effect": "Allow", "Action": ["sqs:*", "dynamodb:*", "logs:*"], "Resource": "*"}


@dataclass(frozen=True, slots=True)
class BareChain:
    """`log_groups` in the order of the way."""

    log_groups: tuple[str, ...]
    _sqs: Any
    _queue_url: str

    def send(self, body: dict[str, Any]) -> str:
        """Puts it on the first queue. Its event id."""
        event_id = f"evt_{uuid.uuid4().hex}"
        self._sqs.send_message(
            QueueUrl=self._queue_url,
            MessageBody=json.dumps(body | {"event_id": event_id}),
            MessageGroupId=event_id,
            MessageDeduplicationId=event_id,
        )
        return event_id


@contextmanager
def standing(stack: Stack, receiver_url: str) -> Iterator[BareChain]:
    name, sqs, dynamodb = f"bare-{uuid.uuid4().hex[:8]}", stack.client("sqs"), stack.client("dynamodb")
    with ExitStack() as going:
        first = sqs.create_queue(QueueName=f"{name}.fifo", Attributes={"FifoQueue": "true", "VisibilityTimeout": "180"})
        going.callback(sqs.delete_queue, QueueUrl=first["QueueUrl"])
        second = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "180"})
        going.callback(sqs.delete_queue, QueueUrl=second["QueueUrl"])
        table = dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "event_id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "event_id", "KeyType": "HASH"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )["TableDescription"]
        going.callback(dynamodb.delete_table, TableName=name)
        functions = [
            going.enter_context(_function(stack, f"{name}-observe", {"TABLE": name}, _arn(stack, f"{name}.fifo"))),
            going.enter_context(
                _function(
                    stack,
                    f"{name}-emit",
                    {"QUEUE": second["QueueUrl"]},
                    table["LatestStreamArn"],
                    StartingPosition="TRIM_HORIZON",
                    BatchSize=100,
                )
            ),
            going.enter_context(_function(stack, f"{name}-deliver", {"URL": receiver_url}, _arn(stack, name))),
        ]
        yield BareChain(tuple(f"/aws/lambda/{function}" for function in functions), sqs, first["QueueUrl"])


@contextmanager
def _function(stack: Stack, name: str, environment: dict[str, str], source: str, **mapping: Any) -> Iterator[str]:
    client, iam, code = stack.client("lambda"), stack.client("iam"), io.BytesIO()
    with zipfile.ZipFile(code, "w") as packed:
        packed.write(_SOURCE, _SOURCE.name)
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(_TRUSTED))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="bare", PolicyDocument=_policy(_ALLOWED))
    client.create_function(
        FunctionName=name,
        Runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
        Handler=f"{_SOURCE.stem}.{name.rpartition('-')[2]}",
        Role=role,
        Timeout=30,
        MemorySize=512,
        Environment={"Variables": environment},
        Code={"ZipFile": code.getvalue()},
    )
    made = client.create_event_source_mapping(FunctionName=name, EventSourceArn=source, **{"BatchSize": 10, **mapping})
    try:
        yield name
    finally:
        client.delete_event_source_mapping(UUID=made["UUID"])
        client.delete_function(FunctionName=name)
        iam.delete_role_policy(RoleName=name, PolicyName="bare")
        iam.delete_role(RoleName=name)


def _arn(stack: Stack, queue: str) -> str:
    return f"arn:aws:sqs:{stack.region}:{_ACCOUNT}:{queue}"


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
