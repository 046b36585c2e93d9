"""JSON Schemas (2020-12) that strangers wrote: which are taken, and what does not satisfy one.

A schema must cost no more than it looks like: nothing is fetched, patterns are matched in linear time, and references
are counted as if they were written out, for twenty lines of them can stand for a million subschemas.
"""

from typing import TYPE_CHECKING, Any

import msgspec

from hookwatch import errors

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_BYTES = 16_384
DATA_BYTES = 65_536
_DEEPEST = 64
_VALUES_AT_MOST = 10_000
_PATTERN_BYTES = 262_144  # of a compiled pattern; (\w{1,30}){10} is well below
_MESSAGE_CHARACTERS = 256
# They move what a reference means. A schema of one document has no use for them.
_REFUSED = {"$id", "$anchor", "$dynamicRef", "$dynamicAnchor"}


def check(schema: dict[str, Any]) -> None:
    """That events can be validated with `schema`.

    Raises:
        errors.Problem: 422, they cannot.
    """
    if size(schema, "schema") > SCHEMA_BYTES:
        raise _invalid(["schema"], f"is longer than {SCHEMA_BYTES} bytes")
    if schema.get("$schema", DIALECT) != DIALECT:
        raise _invalid(["schema", "$schema"], f"is not {DIALECT}")
    _WrittenOut(schema).check()
    _validator(schema)


def check_data(schema: dict[str, Any], data: dict[str, Any], place: str) -> None:
    """That `data`, found at `place` in the request, satisfies a schema that was checked.

    Raises:
        errors.Problem: 422, with the first thing that is wrong: to tell all can take minutes (`items` of `anyOf`).
    """
    from jsonschema_rs import ValidationError  # noqa: PLC0415  # see _validator

    if size(data, place) > DATA_BYTES:
        raise _invalid([place], f"is longer than {DATA_BYTES} bytes")
    try:
        _validator(schema).validate(data)
    except ValidationError as error:
        raise _invalid([place, *error.instance_path], error.message) from None


def size(value: dict[str, Any], place: str) -> int:
    """Bytes of `value` as compact JSON.

    Raises:
        errors.Problem: 422, it would not come out of storage as it went in: NaN, or half a surrogate pair.
    """
    if _depth(value) > _DEEPEST:
        raise _invalid([place], f"is nested more than {_DEEPEST} deep")
    try:
        text = msgspec.json.encode(value)
        is_whole = msgspec.json.decode(text) == value
    except ValueError:
        is_whole = False
    if not is_whole:
        raise _invalid([place], "holds what JSON cannot: NaN, an infinity, or half a character")
    return len(text)


def _validator(schema: dict[str, Any]) -> "Draft202012Validator":
    # Here, and not at the top: it takes 20 ms and 6 MB that all but two routes do without.
    from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError  # noqa: PLC0415

    try:
        return Draft202012Validator(
            schema,
            retriever=_refuse,
            pattern_options=RegexOptions(size_limit=_PATTERN_BYTES, dfa_size_limit=_PATTERN_BYTES),
            validate_formats=True,
            mask="value",
        )
    except ValidationError as error:
        place = list(error.instance_path or error.schema_path)
        if error.message.endswith('is not a "regex"'):
            message = "is no regular expression without look-around and back-references, or is too large"
        else:
            message = error.message
        raise _invalid(["schema", *place], message) from None


def _refuse(uri: str) -> Any:
    raise LookupError(uri)


class _WrittenOut:
    """A schema with its references replaced by what they refer to: how much that is."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema
        self._definitions = schema.get("$defs")
        self._measured: dict[str, tuple[int, int] | None] = {}

    def check(self) -> None:
        values, depth = self._measure(self._schema)
        if values > _VALUES_AT_MOST or depth > _DEEPEST:
            raise _invalid(["schema"], "is too large, or too deep, when its references are written out")

    def _measure(self, node: Any) -> tuple[int, int]:
        """(values, depth)"""
        if isinstance(node, dict):
            if refused := _REFUSED & {key for key, value in node.items() if not isinstance(value, dict)}:
                raise _invalid(["schema"], f"{min(refused)} is not taken")
            parts = [self._measure(value) for value in node.values()]
            if isinstance(reference := node.get("$ref"), str):
                parts.append(self._measure_reference(reference))
        elif isinstance(node, list):
            parts = [self._measure(value) for value in node]
        else:
            return 1, 0
        return 1 + sum(values for values, _ in parts), 1 + max((depth for _, depth in parts), default=0)

    def _measure_reference(self, reference: str) -> tuple[int, int]:
        name = reference.removeprefix("#/$defs/")
        definitions = self._definitions if isinstance(self._definitions, dict) else {}
        if f"#/$defs/{name}" != reference or name not in definitions:
            raise _invalid(["schema"], f"$ref {reference[:64]!r} is not #/$defs/<one of the schema's own>")
        if name not in self._measured:
            self._measured[name] = None
            self._measured[name] = self._measure(definitions[name])
        measured = self._measured[name]
        if measured is None:
            raise _invalid(["schema", "$defs", name], "refers to itself")
        return measured


def _depth(value: Any) -> int:
    """How deep `value` is nested; one more than is taken stands for anything deeper."""
    deepest, level = 0, [value]
    while level and deepest <= _DEEPEST:
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        deepest += 1
    return deepest


def _invalid(loc: list[str | int], message: str) -> errors.Problem:
    return errors.invalid(
        "The request is not what this route takes.", {"loc": loc, "msg": message[:_MESSAGE_CHARACTERS]}
    )
