"""What each file of `events/` is answered, by the file's stem. A check returns what it saw, or raises `Wrong`."""

from collections.abc import Callable
from typing import Any


class Wrong(Exception):
    """An answer is not what it should be."""


def expect(is_so: bool, what: str, answer: Any) -> None:
    if not is_so:
        raise Wrong(f"expected {what}, got {str(answer)[:300]}")


def responds(status: int) -> Callable[[Any], str]:
    def check(answer: Any) -> str:
        expect(isinstance(answer, dict) and answer.get("statusCode") == status, f"status {status}", answer)
        return str(status)

    return check


def acknowledges(answer: Any) -> str:
    expect(answer == {"batchItemFailures": []}, "every message acknowledged", answer)
    return "all acknowledged"


def denies(answer: Any) -> str:
    expect(isinstance(answer, dict) and "policyDocument" in answer, "a policy", answer)
    effects = [statement["Effect"] for statement in answer["policyDocument"]["Statement"]]
    expect(effects == ["Deny"], "a Deny", answer)
    return "Deny"


def counts(answer: Any) -> str:
    expect(isinstance(answer, dict) and answer.get("failed") == 0 and "events" in answer, "counts, none failed", answer)
    return f"{answer['events']} events, none failed"


def says_nothing(answer: Any) -> str:
    expect(answer is None, "null", answer)
    return "null"


CHECKS: dict[str, Callable[[Any], str]] = {
    "alarms": says_nothing,
    "api": responds(200),
    "authorizer": denies,  # the sample's key is all zeros
    "batcher": acknowledges,  # nothing was put into the sample's batch
    "delivery": acknowledges,  # its seal is all zeros: forged, so dropped
    "emitter": says_nothing,
    "eraser": says_nothing,
    "ingest": responds(202),
    "ingest_hook0": responds(404),  # the local cloud has no such source
    "observer": acknowledges,
    "replayer": acknowledges,
    "reemitter": counts,
    "sweeper": says_nothing,
}
