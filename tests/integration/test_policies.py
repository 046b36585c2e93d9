"""GET and PUT /policies/{application_id}: the numbers of the rules."""

from typing import Any

import pytest

from tests.in_process.api import call
from tests.in_process.aws import Aws
from tests.in_process.signals import attempt, messages, unique
from tests.integration.test_observer import events, observe


def test_an_application_without_numbers_of_its_own_has_the_deployments(aws: Aws) -> None:
    status, answer = call(aws, "GET", f"/policies/{unique('shop')}")
    assert status == 200
    assert answer["own"] == {}
    assert answer["policy"]["opens_after_failures"] == 10
    assert answer["policy"]["warns_after_hours"] == [1, 24]


def test_what_is_put_replaces_what_was_and_is_what_the_rules_go_by(aws: Aws) -> None:
    shop = unique("shop")
    assert call(aws, "PUT", f"/policies/{shop}", {"opens_at_share": 0.15})[0] == 200
    status, answer = call(aws, "PUT", f"/policies/{shop}", {"opens_after_failures": 3, "opens_after_seconds": 2})
    assert status == 200
    assert call(aws, "GET", f"/policies/{shop}")[1] == answer
    assert answer["own"] == {"opens_after_failures": 3, "opens_after_seconds": 2}
    assert (answer["policy"]["opens_at_share"], answer["policy"]["opens_after_failures"]) == (0.5, 3)
    observe(aws, *messages(shop, *(attempt("erp", second) for second in range(3))))
    assert [event["type"] for event in events(aws, shop)] == ["endpoint.failing"]


@pytest.mark.parametrize(
    ("own", "loc"),
    [
        ({"opens_at_share": 1.5}, "opens_at_share"),
        ({"opens_at_share": "half"}, "opens_at_share"),
        ({"message_failing_from_attempt": 3}, "message_failing_from_attempt"),
        ({"warns_after_hours": [1, 2, 3, 4, 5, 6]}, "warns_after_hours"),
        ({"warns_at_progress": [0.5, 2]}, "warns_at_progress[1]"),
        ({"disable_authority": "nobody"}, "disable_authority"),
        ({"opens_after": 3}, "opens_after"),
        ({"reopens_within_minutes": 0}, "reopens_within_minutes"),
        ({"late_after_seconds": 7200}, "late_after_seconds"),
        ({"opens_after_failures": None}, "opens_after_failures"),
    ],
)
def test_a_number_that_is_none_is_refused_and_nothing_changes(aws: Aws, own: dict[str, Any], loc: str) -> None:
    shop = unique("shop")
    status, answer = call(aws, "PUT", f"/policies/{shop}", own)
    assert (status, answer["id"]) == (422, "validation_failed")
    assert answer["errors"][0]["loc"] == [loc]
    assert "msgspec" not in str(answer)
    assert call(aws, "GET", f"/policies/{shop}")[1]["own"] == {}


def test_steps_of_warning_that_do_not_rise_are_refused(aws: Aws) -> None:
    for own in ({"warns_after_hours": [2, 1]}, {"warns_at_progress": [0.5, 0.5]}):
        status, problem = call(aws, "PUT", f"/policies/{unique('shop')}", own)
        assert (status, problem["errors"][0]["loc"]) == (422, list(own))


@pytest.mark.parametrize("body", ["[]", "null", "3", "{", '{"a": NaN}'])
def test_a_body_that_is_no_object_is_refused(aws: Aws, body: str) -> None:
    assert call(aws, "PUT", f"/policies/{unique('shop')}", body)[0] == 422


def test_another_applications_policy_is_not_found_and_every_applications_is_the_deployments(aws: Aws) -> None:
    for method, body in (("GET", None), ("PUT", {})):
        assert call(aws, method, f"/policies/{unique('shop')}", body, applications="other")[0] == 404
        assert call(aws, method, "/policies/*", body)[0] == 422


def test_the_hardest_policy_and_the_fullest_message_fit_one_transaction(aws: Aws) -> None:
    shop = unique("shop")
    hardest = {
        "opens_after_failures": 1,
        "opens_after_seconds": 0,
        "opens_at_share": 1,
        "opens_at_share_of_a_minute": 1,
        "reopens_within_minutes": 5,
        "late_after_seconds": 3600,
    }
    assert call(aws, "PUT", f"/policies/{shop}", hardest)[0] == 200
    hour = [attempt("erp", 4 * n, succeeded=n % 4 > 0, message_id=f"m{n}") for n in range(900)]
    [message] = messages(shop, *hour)
    assert observe(aws, message) == []
    assert "endpoint.failing" in [event["type"] for event in events(aws, shop)]
