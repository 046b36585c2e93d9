"""What a function logs, and make logs: the same as a person reads it."""

import json
import logging
from typing import Any

import pytest

from hookwatch.logs import logger
from hookwatch.operating.logs import FUNCTIONS, told
from tests.integration.test_template import of_type


def line(message: str, level: int = logging.INFO, error: Exception | None = None, **fields: object) -> str:
    """As the functions write it, in an invocation of Lambda."""
    exc_info = (type(error), error, error.__traceback__) if error else None
    logger.registered_formatter.clear_state()  # of what was invoked in this process before
    record = logging.LogRecord("hookwatch", level, "app.py", 9, message, None, exc_info, "deliver")
    vars(record).update(function_name="f", function_request_id="c6af9ac6", cold_start=True, **fields)
    return logger.registered_formatter.format(record)


def fields(line: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(line)
    return read


def test_a_decision_says_nothing_that_cloudwatch_keeps_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0")
    assert fields(line("attempt", event_id="evt_1")) == {"level": "INFO", "message": "attempt", "event_id": "evt_1"}


def test_trouble_says_where_and_in_which_invocation() -> None:
    said = fields(line("it failed", logging.ERROR, ValueError("no")))
    assert said.keys() == {"level", "message", "location", "function_request_id", "exception", "exception_name"}
    assert (said["location"], said["function_request_id"]) == ("deliver:9", "c6af9ac6")


def test_a_request_is_named_as_the_audit_names_it() -> None:
    assert fields(line("signals queued", correlation_id="1a2b"))["request_id"] == "1a2b"


def test_a_decision_is_told_with_its_ids() -> None:
    assert told(line("attempt", event_id="evt_1", status="delivered", error_code=None)) == (
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
    assert "exception=ValueError: no" in str(told(line("it failed", logging.ERROR, ValueError("no"))))


def test_every_function_is_followed() -> None:
    assert set(FUNCTIONS) == set(of_type("AWS::Serverless::Function"))
