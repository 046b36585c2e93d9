"""AWS does not answer at all: of such an error PynamoDB knows no code, and Powertools wraps it."""

import pytest

from hookwatch import secrets_manager, tables
from tests.faults.cancelling import broken
from tests.in_process.api import ask
from tests.in_process.aws import Aws
from tests.in_process.signals import created, messages, unique
from tests.integration.test_observer import observe


@pytest.mark.parametrize("operation", ["GetItem", "TransactWriteItems"])
def test_a_change_is_answered_with_when_to_ask_again(aws: Aws, operation: str) -> None:
    shop = unique("shop")
    with broken(tables.connection_of(tables.Application).client, operation):
        answer = ask(aws, "PUT", f"/policies/{shop}", {"opens_after_failures": 7})
    assert (answer["statusCode"], answer["multiValueHeaders"]["Retry-After"]) == (503, ["1"])


def test_a_message_comes_again_and_is_counted_then(aws: Aws) -> None:
    batch = messages(unique("shop"), created("erp"))
    with broken(aws.function("observer").outbox._connection.client, "TransactWriteItems"):
        assert observe(aws, *batch) == [batch[0]["messageId"]]
    assert observe(aws, *batch) == []


def test_a_list_whose_cursor_cannot_be_signed_is_answered_with_when_to_ask_again(aws: Aws) -> None:
    shop = unique("shop")
    assert observe(aws, *messages(shop, created("erp")), *messages(shop, created("crm"))) == []
    secrets_manager.forget()
    with broken(secrets_manager.client(), "GetSecretValue", of="secrets-manager"):
        answer = ask(aws, "GET", "/events", application_id=shop, limit="1")
    assert (answer["statusCode"], answer["multiValueHeaders"]["Retry-After"]) == (503, ["1"])
