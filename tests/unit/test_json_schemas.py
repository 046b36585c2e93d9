import reprlib
import time
from typing import Any

import pytest

from hookwatch import json_schemas
from hookwatch.errors import Problem


def nested(levels: int, keyword: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {keyword: schema}
    return schema


def doubled(levels: int, keyword: str = "allOf") -> dict[str, Any]:
    """A few lines that stand for 2 ** levels subschemas."""
    twice = {f"d{n}": {keyword: [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"$ref": "#/$defs/d0", "$defs": twice | {f"d{levels}": {"type": "object"}}}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"$schema": json_schemas.DIALECT, "type": "object"},
        {"properties": {"a": {"$ref": "#/$defs/amount"}}, "$defs": {"amount": {"minimum": 0}}},
        {"properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}}},
        {"properties": {"a": {"pattern": r"^(\w{1,30}-){3}$", "format": "a-format-of-their-own"}}},
        {"enum": [{"a": n} for n in range(1000)]},
        doubled(8),
    ],
    ids=reprlib.repr,
)
def test_a_schema_that_refers_to_itself_only_is_taken(schema: dict[str, Any]) -> None:
    json_schemas.check(schema)


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"type": "strin"}, ["schema", "type"]),
        ({"properties": {"a": {"minLength": -1}}}, ["schema", "properties", "a", "minLength"]),
        ({"$schema": "http://json-schema.org/draft-04/schema#"}, ["schema", "$schema"]),
        ({"$schema": 7}, ["schema", "$schema"]),
        ({"$ref": "https://example.com/schema"}, ["schema"]),
        ({"$ref": "http://169.254.169.254/latest"}, ["schema"]),
        ({"$ref": "file:///etc/passwd"}, ["schema"]),
        ({"$ref": json_schemas.DIALECT}, ["schema"]),
        ({"$ref": "#/$defs/none"}, ["schema"]),
        ({"$ref": "#"}, ["schema"]),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}}, ["schema", "$defs", "a"]),
        ({"properties": {"a": {"$id": "https://example.com/"}}}, ["schema"]),
        ({"$dynamicRef": "#a"}, ["schema"]),
        ({"properties": {"a": {"pattern": "("}}}, ["schema", "properties", "a", "pattern"]),
        ({"pattern": r"(a)\1"}, ["schema", "pattern"]),
        ({"pattern": "(?=a)a"}, ["schema", "pattern"]),
        ({"pattern": "((a{100}){100}){100}"}, ["schema", "pattern"]),
        ({"description": "x" * json_schemas.SCHEMA_BYTES}, ["schema"]),
        ({"maximum": float("nan")}, ["schema"]),
        ({"description": "\ud800"}, ["schema"]),
        (nested(100, "not"), ["schema"]),
        (nested(1500, "not"), ["schema"]),
        (doubled(40), ["schema"]),
        (doubled(18, "anyOf") | {"unevaluatedProperties": False}, ["schema"]),
    ],
    ids=reprlib.repr,
)
def test_a_schema_that_is_none_or_is_not_safe_is_refused_with_its_place(
    schema: dict[str, Any], place: list[str]
) -> None:
    started = time.monotonic()
    with pytest.raises(Problem) as raised:
        json_schemas.check(schema)
    assert raised.value.status == 422
    [error] = raised.value.errors
    assert error["loc"][: len(place)] == place
    assert "jsonschema" not in error["msg"]
    assert time.monotonic() - started < 5  # it would be minutes, or for ever


@pytest.mark.parametrize(
    ("schema", "data", "place"),
    [
        ({"required": ["a"]}, {}, ["data"]),
        ({"properties": {"a": {"items": {"type": "integer"}}}}, {"a": [1, "b"]}, ["data", "a", 1]),
        ({"additionalProperties": False}, {"a": 1}, ["data"]),
        ({"properties": {"a": {"format": "date-time"}}}, {"a": "yesterday"}, ["data", "a"]),
        ({}, {"a": "x" * json_schemas.DATA_BYTES}, ["data"]),
        ({}, {"a": float("inf")}, ["data"]),
        ({}, {"a": "\udfff"}, ["data"]),
        ({}, nested(65, "a"), ["data"]),
        ({}, nested(5000, "a"), ["data"]),
    ],
    ids=reprlib.repr,
)
def test_what_does_not_satisfy_its_schema_is_refused_with_its_place(
    schema: dict[str, Any], data: dict[str, Any], place: list[str | int]
) -> None:
    with pytest.raises(Problem) as raised:
        json_schemas.check_data(schema, data, "data")
    [error] = raised.value.errors
    assert error["loc"] == place
    assert len(error["msg"]) <= 256


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        ({"properties": {"a": {"pattern": "^(a+)+$"}}}, {"a": "a" * 60_000 + "!"}),
        (
            {"properties": {"a": {"items": {"anyOf": [{"pattern": f"z{n}"} for n in range(600)]}}}},
            {"a": ["a"] * 12_000},
        ),
        ({"properties": {"a": {"items": {"anyOf": [{"type": "string"}] * 500}}}}, {"a": [7] * 20_000}),
    ],
    ids=["a pattern that backtracks", "a choice of many patterns", "a choice of many"],
)
def test_what_is_made_to_take_long_does_not(schema: dict[str, Any], data: dict[str, Any]) -> None:
    json_schemas.check(schema)
    started = time.monotonic()
    with pytest.raises(Problem):
        json_schemas.check_data(schema, data, "data")
    assert time.monotonic() - started < 5  # it would be minutes, or for ever
