"""docs/openapi.json: it is what the code says, a valid document, and whole."""

import json
import re
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from hookwatch.access.roles import NEEDS, OPEN
from hookwatch.api.openapi import document
from hookwatch.catalogue import CATALOGUE
from hookwatch.operational_events import BATCH
from tests.in_process.aws import Aws
from tests.openapi import FILE, text_of

DOCUMENT: dict[str, Any] = json.loads(FILE.read_text())


def test_the_file_is_what_the_code_says(aws: Aws) -> None:
    told = text_of(document(aws.function("api").app, aws.function("ingest").app))
    assert told == FILE.read_text(), "docs/openapi.json is stale: make openapi"


def test_it_is_a_valid_document(monkeypatch: pytest.MonkeyPatch) -> None:
    # With its other backend it wants a newer jsonschema-rs than the functions can have.
    monkeypatch.setenv("OPENAPI_SPEC_VALIDATOR_SCHEMA_VALIDATOR_BACKEND", "jsonschema")
    from openapi_spec_validator import OpenAPIV31SpecValidator, validate  # noqa: PLC0415

    validate(DOCUMENT, cls=OpenAPIV31SpecValidator)


def test_it_has_every_route_and_no_other() -> None:
    routes = {(method.upper(), path) for path, operations in DOCUMENT["paths"].items() for method in operations}
    assert routes == {*NEEDS, *OPEN}


def test_every_operation_says_what_it_answers_and_who_may_ask() -> None:
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            route = method.upper(), path
            assert {"400", "429", "503"} < set(operation["responses"]), route
            assert any(status.startswith("2") for status in operation["responses"]), route
            assert ("security" in operation) == (route in OPEN), route
            named = {each["name"] for each in operation["parameters"]}
            assert ("Idempotency-Key" in named) == (method == "post" and route not in OPEN), route
            assert ("If-Match" in named) == ("412" in operation["responses"]), route
            assert set(re.findall(r"{(\w+)}", path)) <= named, route


@pytest.mark.parametrize("name", [*CATALOGUE, BATCH])
def test_a_receivers_author_finds_every_operational_event(name: str) -> None:
    content = DOCUMENT["webhooks"][name]["post"]["requestBody"]["content"]["application/json"]
    schema = {**content["schema"], "components": DOCUMENT["components"]}
    Draft202012Validator(schema, validate_formats=True).validate(content["example"])
    assert content["example"]["type"] == name
    assert {"webhook-id", "webhook-timestamp", "webhook-signature"} == {
        each["name"] for each in DOCUMENT["webhooks"][name]["post"]["parameters"]
    }


def test_only_what_is_in_the_catalogue_is_a_webhook_and_a_batch_of_it() -> None:
    assert DOCUMENT["webhooks"].keys() == {*CATALOGUE, BATCH}
