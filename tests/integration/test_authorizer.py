"""Authorization header → who asks."""

from typing import Any

import pytest

from hookwatch import tables
from tests.faults.cancelling import refused
from tests.in_process.api import call
from tests.in_process.aws import ADMIN_SECRET, Aws


def authorize(aws: Aws, header: str) -> dict[str, Any]:
    answer: dict[str, Any] = aws.invoke("authorizer", aws.sample("authorizer") | {"authorizationToken": header})
    return answer


def test_the_admin_key_is_for_every_application(aws: Aws) -> None:
    answer = authorize(aws, f"Bearer hwk_admin_{ADMIN_SECRET}")
    assert answer["context"] == {"key_id": "admin", "role": "admin", "applications": "*"}


def test_the_policy_covers_the_whole_stage_for_it_is_cached(aws: Aws) -> None:
    [statement] = authorize(aws, f"Bearer hwk_admin_{ADMIN_SECRET}")["policyDocument"]["Statement"]
    assert statement["Effect"] == "Allow"
    assert statement["Resource"] == "arn:aws:execute-api:eu-central-1:123456789012:abc123/live/*"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        f"hwk_admin_{ADMIN_SECRET}",
        f"Basic hwk_admin_{ADMIN_SECRET}",
        f"Bearer hwk_admin_{ADMIN_SECRET}x",
        f"Bearer hwk_admin_{ADMIN_SECRET[:-1]}",
        f"Bearer hwk_root_{ADMIN_SECRET}",
        f"Bearer hwk_admin_{ADMIN_SECRET}\n",
        "Bearer hwk_admin_" + "é" * 43,
    ],
)
def test_anything_else_is_denied(aws: Aws, header: str) -> None:
    answer = authorize(aws, header)
    assert answer["policyDocument"]["Statement"][0]["Effect"] == "Deny"
    assert answer["context"] == {}


def test_a_good_key_is_not_refused_because_its_use_is_not_noted(aws: Aws) -> None:
    _, made = call(aws, "POST", "/keys", {"role": "viewer", "application_ids": ["shop"]})
    client = tables.connection_of(tables.ApiKey).client
    with refused(client, "UpdateItem", "InternalServerError") as numbers:
        answer = authorize(aws, f"Bearer {made['key']}")
    assert (answer["context"]["key_id"], len(numbers)) == (made["key_id"], 1)
    assert call(aws, "GET", f"/keys/{made['key_id']}")[1]["last_used_at"] is None
