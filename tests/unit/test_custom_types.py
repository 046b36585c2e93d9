from typing import Any

import pytest
from jsonschema import Draft202012Validator

from hookwatch import custom_types
from hookwatch.catalogue import CATALOGUE
from hookwatch.custom_types import CustomType
from hookwatch.errors import Problem

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["amount"],
    "properties": {"amount": {"$ref": "#/$defs/amount"}},
    "$defs": {"amount": {"type": "integer", "minimum": 0}},
}


@pytest.mark.parametrize("name", ["invoice.overdue", "a.b", "backup.nightly.failed_2", "endpoints.b", "x." + "y" * 126])
def test_lower_case_words_joined_by_dots_are_a_name(name: str) -> None:
    custom_types.check_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", "*", "invoice", "Invoice.overdue", "invoice.", ".overdue", "invoice..overdue", "1.b", "in-voice.b"),
        *("a.b\n", "é.b", "x." + "y" * 127),
        *(
            "endpoint.failing",
            "endpoint.anything",
            "message.a",
            "application.a",
            "webhook.test",
            "hookwatch.a",
            "alarm.a",
        ),
    ],
)
def test_other_names_and_ours_are_refused(name: str) -> None:
    with pytest.raises(Problem):
        custom_types.check_name(name)


def test_every_type_of_the_catalogue_has_a_reserved_prefix() -> None:
    assert all(name.startswith(custom_types.RESERVED_PREFIXES) for name in CATALOGUE)


@pytest.mark.parametrize(("amount", "is_valid"), [(7, True), (-1, False), ("7", False)])
def test_the_told_schema_is_of_the_whole_body_and_refers_to_the_types_own_definitions(
    amount: Any, is_valid: bool
) -> None:
    told = custom_types.told(CustomType("shop", "invoice.overdue", "Not paid.", SCHEMA, {"amount": amount}))
    Draft202012Validator.check_schema(told.schema)
    assert Draft202012Validator(told.schema).is_valid(told.example) is is_valid
