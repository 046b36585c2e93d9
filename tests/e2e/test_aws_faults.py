"""AWS fails at every call that a function makes, in every way: nothing is lost, nothing counted twice, and a client is
told to ask again."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.aws_faults.between import Between
from tests.aws_faults.calls import Call, documented
from tests.aws_faults.patient import PatientApi
from tests.aws_faults.story import Story
from tests.local_cloud.cloud import ROOT, Stack, down, up

STATE = ROOT / ".local" / "faults"
CALLS = documented()
_THROTTLED = {
    "dynamodb": "ProvisionedThroughputExceededException",
    "sqs": "RequestThrottled",
    "kms": "ThrottlingException",
    "secretsmanager": "ThrottlingException",
    "sns": "ThrottledException",
}


def throttled(call: Call) -> dict[str, Any]:
    return {"error": {"code": _THROTTLED[call.service], "status": 400}}


def failed(_: Call) -> dict[str, Any]:
    return {"error": {"code": "InternalServerError", "status": 500}}


def timed_out(_: Call) -> dict[str, Any]:
    return {"timeout_ms": 200}


def reset(_: Call) -> dict[str, Any]:
    return {"reset": True}


def unanswered(_: Call) -> dict[str, Any]:
    """It is carried out, and the answer breaks off."""
    return {"response": {"abort_bytes": 1}}


@pytest.fixture(scope="module")
def broken() -> Iterator[tuple[Stack, Between]]:
    """A stack of its own: what is done to its functions and queues is not for other tests."""
    down(STATE)
    try:
        stack = up(STATE, print, port=4766)
        for queue in ("Signals", "Deliveries", "Retries"):  # what failed comes back soon, and often enough
            attributes = {"VisibilityTimeout": "1"}
            stack.client("sqs").set_queue_attributes(QueueUrl=stack.queues[queue], Attributes=attributes)
        with Between(stack, STATE / "microburst.log") as between:
            yield stack, between
    finally:
        down(STATE)


@pytest.mark.parametrize("fault", [throttled, failed, timed_out, reset, unanswered])
def test_a_call_that_fails(broken: tuple[Stack, Between], fault: Any) -> None:
    stack, between = broken
    PatientApi.refused.clear()
    with between.breaking({call: fault(call) for call in CALLS}):
        Story(stack, between.physical).play()
        assert between.met() == CALLS
    assert between.calls == CALLS
    for answer in PatientApi.refused:
        assert answer.status_code in (503, 409), answer.text
        assert answer.headers["Retry-After"], answer.text
