"""make logs: what a function logs, as a person reads it."""

import json

import pytest

from hookwatch.operating.logs import FUNCTIONS, told
from tests.integration.test_template import of_type


def line(**fields: object) -> str:
    common = {
        "level": "INFO",
        "location": "deliver:9",
        "timestamp": "2026-11-24 10:00:00,000+0000",
        "service": "hookwatch",
    }
    return json.dumps(common | {"function_name": "f", "cold_start": True} | fields)


def test_a_decision_is_told_with_its_ids_and_without_what_every_line_has() -> None:
    assert told(line(message="attempt", event_id="evt_1", status="delivered", error=None)) == (
        "INFO     attempt event_id=evt_1 status=delivered"
    )


@pytest.mark.parametrize(
    "message",
    [
        "START RequestId: 1 Version: $LATEST\n",
        "END RequestId: 1\n",
        "REPORT RequestId: 1 Duration: 3 ms\n",
        json.dumps({"_aws": {"CloudWatchMetrics": []}, "Events": [1.0]}),
        "\n",
    ],
)
def test_what_lambda_says_and_metrics_are_no_decisions(message: str) -> None:
    assert told(message) is None


def test_a_line_that_is_no_json_is_told_as_it_is() -> None:
    assert told("[ERROR] Runtime.ImportModuleError: no module\n") == "[ERROR] Runtime.ImportModuleError: no module"


def test_an_exception_is_told() -> None:
    assert "exception=Traceback" in str(told(line(message="it failed", level="ERROR", exception="Traceback …")))


def test_every_function_is_followed() -> None:
    assert set(FUNCTIONS) == set(of_type("AWS::Serverless::Function"))
