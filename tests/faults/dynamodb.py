"""DynamoDB in memory, at botocore's boundary: as much of it as observing uses, exactly, and faults on top.

What comes before (PynamoDB, botocore's validation and serialization) and what comes after (botocore's and PynamoDB's
errors) is the real thing: an answer is given where botocore would send the request.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
from botocore.exceptions import ReadTimeoutError

from tests.faults.killing import Killed

Item = dict[str, dict[str, Any]]
Kind = Literal["killed before", "killed after", "unanswered", "sent again", "refused", "throttled", "interrupted"]

_KEYS = {
    "MonitoredEndpoint": ("application_id", "endpoint_id"),
    "OperationalEvent": ("event_id",),
    "MessageStats": ("scope", "hour"),
    "Application": ("application_id", "item"),
}
_OPERAND = r"(#\d+) = (:\d+)|attribute_not_exists \((#\d+)\)"
_LESS = r"\(attribute_not_exists \((#\d+)\) OR \1 < (:\d+)\)"
_SET = re.compile(r"(#\d+) = (:\d+)")
_ADD = re.compile(r"(#\d+) (:\d+)")


@dataclass
class Fault:
    """What befalls the `at`th write of a function, counted from 1."""

    kind: Kind
    at: int


@dataclass
class Run:
    """One function under way."""

    fault: Fault | None = None
    interruption: Callable[[], None] = lambda: None
    writes: int = 0
    reads: int = 0
    name: Any = None


@dataclass
class _Answer:
    status_code: int


@dataclass
class DynamoDB:
    tables: dict[str, dict[tuple[str, ...], Item]] = field(default_factory=lambda: {name: {} for name in _KEYS})
    written: list[tuple[Any, Item]] = field(default_factory=list)  # of MonitoredEndpoint: by which run, and what
    runs: list[Run] = field(default_factory=list)

    @contextmanager
    def behind(self, *clients: Any) -> Iterator[None]:
        """The clients' calls come here meanwhile."""
        for client in clients:
            client.meta.events.register("before-call.dynamodb", self._called)
        try:
            yield
        finally:
            for client in clients:
                client.meta.events.unregister("before-call.dynamodb", self._called)

    @contextmanager
    def running(self, run: Run) -> Iterator[Run]:
        self.runs.append(run)
        try:
            yield run
        finally:
            self.runs.pop()

    def items(self, table: str) -> list[Item]:
        return list(self.tables[table].values())

    def _called(self, model: Any, params: dict[str, Any], **_: Any) -> tuple[_Answer, dict[str, Any]]:
        body = msgspec.json.decode(params["body"])
        match model.name:
            case "GetItem":
                item = self.tables[body["TableName"]].get(_key_of(body["TableName"], body["Key"]))
                return _Answer(200), {"Item": item} if item else {}
            case "BatchGetItem":
                return _Answer(200), self._batch_get(body["RequestItems"])
            case "PutItem":
                return self._write([{"Put": body}])
            case "UpdateItem":  # of activity: what befalls it is in test_every_write.py
                answer, failure = self._commit([{"Update": body}])
                key = _key_of(body["TableName"], body["Key"])
                return answer, failure or {"Attributes": self.tables[body["TableName"]][key]}
            case "TransactWriteItems":
                assert body["ClientRequestToken"]  # so that a request sent again is not carried out again
                return self._write(body["TransactItems"])
            case _:
                raise NotImplementedError(model.name)

    def _batch_get(self, requests: dict[str, Any]) -> dict[str, Any]:
        [(table, request)] = requests.items()
        assert request["ConsistentRead"]
        assert len(request["Keys"]) <= 100
        names = request["ExpressionAttributeNames"].values()
        found = [item for key in request["Keys"] if (item := self.tables[table].get(_key_of(table, key)))]
        projected = [{name: item[name] for name in names if name in item} for item in found]
        return {"Responses": {table: projected}, "UnprocessedKeys": {}}

    def _write(self, operations: list[dict[str, Any]]) -> tuple[_Answer, dict[str, Any]]:
        run = self.runs[-1]
        run.writes += 1
        kind = run.fault.kind if run.fault and run.fault.at == run.writes else None
        match kind:
            case "killed before":
                raise Killed
            case "refused" | "throttled":
                code = "TransactionConflict" if kind == "refused" else "ProvisionedThroughputExceeded"
                return _failed([code] + ["None"] * (len(operations) - 1))
            case "interrupted":
                run.interruption()
        answer = self._commit(operations)
        match kind:
            case "killed after":
                raise Killed
            case "unanswered":
                raise ReadTimeoutError(endpoint_url="https://dynamodb")
            case "sent again" if len(operations) == 1:
                return self._commit(operations)
        return answer

    def _commit(self, operations: list[dict[str, Any]]) -> tuple[_Answer, dict[str, Any]]:
        """All of them, or none."""
        if len(operations) > 100:
            return _Answer(400), {"Error": {"Code": "ValidationException", "Message": "Member must have length <= 100"}}
        steps = [next(iter(operation.items())) for operation in operations]
        keys = [(step["TableName"], _key_of(step["TableName"], step.get("Key") or step["Item"])) for _, step in steps]
        assert len(set(keys)) == len(keys), "a transaction takes each item once"
        codes = []
        for (table, key), (_, step) in zip(keys, steps, strict=True):
            holds = _holds(step, self.tables[table].get(key, {}))
            codes.append("None" if holds else "ConditionalCheckFailed")
        if set(codes) != {"None"}:
            return _failed(codes)
        for (table, key), (verb, step) in zip(keys, steps, strict=True):
            if verb == "Put":
                self.tables[table][key] = _parsed(step["Item"])
            else:
                self.tables[table][key] = _updated(step, self.tables[table].get(key, step["Key"]))
            if table == "MonitoredEndpoint":
                self.written.append((self.runs[-1].name, self.tables[table][key]))
        return _Answer(200), {}


def _parsed(item: Item) -> Item:
    """As botocore would hand it out: bytes travel as base64."""
    return {name: {"B": b64decode(value["B"])} if "B" in value else value for name, value in item.items()}


def _key_of(table: str, item: Item) -> tuple[str, ...]:
    return tuple(next(iter(item[name].values())) for name in _KEYS[table])


def _holds(step: dict[str, Any], item: Item) -> bool:
    condition = step.get("ConditionExpression")
    if condition is None:
        return True
    names = step["ExpressionAttributeNames"]
    if less := re.fullmatch(_LESS, condition):
        known, least = item.get(names[less[1]]), step["ExpressionAttributeValues"][less[2]]
        return known is None or int(known["N"]) < int(least["N"])
    parsed = re.fullmatch(_OPERAND, condition)
    assert parsed, condition
    if parsed[3]:
        return names[parsed[3]] not in item
    return bool(item.get(names[parsed[1]]) == step["ExpressionAttributeValues"][parsed[2]])


def _updated(step: dict[str, Any], item: Item) -> Item:
    names, values = step["ExpressionAttributeNames"], step["ExpressionAttributeValues"]
    sets, _, adds = step["UpdateExpression"].partition(" ADD ")
    assert sets.startswith("SET "), sets
    assert len(_SET.findall(sets)) + len(_ADD.findall(adds)) == step["UpdateExpression"].count(":")
    updated = dict(item)
    for name, value in _SET.findall(sets):
        updated[names[name]] = values[value]
    for name, value in _ADD.findall(adds):
        old = int(item.get(names[name], {"N": "0"})["N"])
        updated[names[name]] = {"N": str(old + int(values[value]["N"]))}
    return updated


def _failed(codes: list[str]) -> tuple[_Answer, dict[str, Any]]:
    """As DynamoDB says it of a single write, or of a transaction."""
    if len(codes) == 1:
        code = {"TransactionConflict": "TransactionConflictException"}.get(codes[0], f"{codes[0]}Exception")
        return _Answer(400), {"Error": {"Code": code, "Message": codes[0]}}
    reasons = [{"Code": code, "Message": code} for code in codes]
    error = {"Code": "TransactionCanceledException", "Message": f"Transaction cancelled {codes}"}
    return _Answer(400), {"Error": error, "CancellationReasons": reasons}
