"""What a function may ask of AWS is what docs/aws_calls.md says that it asks, and no more."""

import re
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

import pytest

from tests.aws_faults.calls import Call, documented
from tests.integration.test_template import RESOURCES

CALLS = documented()
# IAM has no action of their own for these (Amazon SQS and DynamoDB, service authorization reference).
ACTIONS = {"SendMessageBatch": "SendMessage"}
PARTS = ("PutItem", "UpdateItem", "DeleteItem")  # of a transaction
# Lambda's pollers ask in the function's name; Powertools' idempotency reads where DynamoDB does not say what is there.
OF_LAMBDA = (
    *("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
    *("dynamodb:*Stream*", "dynamodb:GetRecords", "dynamodb:GetShardIterator"),
)
OF_POWERTOOLS = ("dynamodb:GetItem", "Idempotency")
FUNCTIONS = sorted(name for name, each in RESOURCES.items() if each["Type"] == "AWS::Serverless::Function")


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def allowed(function: str) -> Iterator[tuple[str, str]]:
    """(action, logical id of what it is about)."""
    for policy in RESOURCES[function]["Properties"].get("Policies", []):
        for statement in policy["Statement"]:
            if statement["Effect"] == "Allow":
                for resource in listed(statement["Resource"]):
                    [name] = re.findall(r"^\W*(?:Fn::GetAtt\W+|Fn::Sub\W+|Ref\W+)?(\w+|\*)", str(resource)) or ["*"]
                    yield from ((action, name) for action in listed(statement["Action"]))


def action_of(call: Call) -> str:
    return f"{call.service}:{ACTIONS.get(call.operation, call.operation)}"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_asks_for_all_that_it_may_and_may_all_that_it_asks_for(function: str) -> None:
    asked = [call for call in CALLS if call.function == function]
    may = set(allowed(function))
    for call in asked:
        if call.operation != "TransactWriteItems":
            assert any(fnmatch(action_of(call), action) and name == call.resource for action, name in may), call
    in_transactions = any(call.operation == "TransactWriteItems" for call in asked)
    for action, name in may:
        is_asked = any(fnmatch(action_of(call), action) and name == call.resource for call in asked)
        is_part = in_transactions and action.removeprefix("dynamodb:") in PARTS
        is_others = any(fnmatch(action, pattern) for pattern in OF_LAMBDA) or (action, name) == OF_POWERTOOLS
        assert is_asked or is_part or is_others, (action, name)
