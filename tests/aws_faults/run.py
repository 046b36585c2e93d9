"""One turn: a stack of its own, whose functions' calls fail; what is done to it is not for other tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.aws_faults.between import Between
from tests.aws_faults.calls import Call, documented
from tests.aws_faults.faults import BATCHES, of_turn
from tests.aws_faults.patient import PatientApi
from tests.aws_faults.story import Story
from tests.local_cloud.cloud import Progress, Stack, down, up


@contextmanager
def broken_cloud(state: Path, progress: Progress) -> Iterator[tuple[Stack, Between]]:
    down(state)
    try:
        stack = up(state, progress, port=4766)
        for queue in ("Signals", "Deliveries", "Retries", "Replays"):  # what failed comes back soon
            attributes = {"VisibilityTimeout": "1"}
            stack.client("sqs").set_queue_attributes(QueueUrl=stack.queues[queue], Attributes=attributes)
        with Between(stack, state / "microburst.log") as between:
            yield stack, between
    finally:
        down(state)


def run(stack: Stack, between: Between, turn: int) -> None:
    """Raises:
    AssertionError: something was lost, done twice, or answered otherwise than with a 503 that says when to ask
        again; or a call is not in the document, or met no fault.
    """
    PatientApi.refused.clear()
    calls = documented()
    batches = {(call.function, call.operation) for call in calls if call.operation in BATCHES}
    faults = of_turn(calls, turn)
    with between.breaking(faults, batches):
        Story(stack).play()
        assert not between.unmet(), between.unmet()
        assert not between.not_in_part(), between.not_in_part()
    assert between.calls <= set(calls), between.calls - set(calls)  # each of `calls` was made, for it met its fault
    _each_says_when_to_ask_again(
        [call for call, _ in faults if call.function == "Authorizer" and call.operation != "UpdateItem"]
    )


def _each_says_when_to_ask_again(calls_of_the_authorizer: list[Call]) -> None:
    """But where the authorizer failed: the answer to that is a gateway response of the template, and the local cloud
    has none of those."""
    by_gateway = [answer for answer in PatientApi.refused if answer.status_code == 500]
    assert [answer.json() for answer in by_gateway] == [{"message": None}] * len(calls_of_the_authorizer)
    ours = [answer for answer in PatientApi.refused if answer not in by_gateway]
    assert ours
    for answer in ours:
        assert answer.status_code in (503, 409), answer.text
        assert answer.headers["Retry-After"], answer.text
