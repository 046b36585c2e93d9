"""make restore, on the deployed stack: what point-in-time recovery has goes back to where it is used."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from hookwatch.operating.deployment import Deployment
from hookwatch.operating.restoring import TABLES, NotAlike, restore
from tests.e2e.test_the_main_job import ARRIVES_WITHIN, register, unique
from tests.integration.test_template import of_type
from tests.local_cloud.api import Api
from tests.local_cloud.cloud import Stack
from tests.local_cloud.receiver import Receiver


@contextmanager
def as_of_now(stack: Stack, table: str) -> Iterator[str]:
    """A table restored to now, as docs/operations.md says."""
    dynamodb, name = stack.client("dynamodb"), unique("restored")
    dynamodb.restore_table_to_point_in_time(
        SourceTableName=stack.tables[table], TargetTableName=name, UseLatestRestorableTime=True
    )
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    try:
        yield name
    finally:
        dynamodb.delete_table(TableName=name)


@pytest.fixture
def restoring(stack: Stack) -> Callable[..., tuple[int, int]]:
    deployment = Deployment(stack.stack_name, stack.endpoint_url, stack.region)
    return lambda table, restored, **how: restore(deployment, table, restored, lambda _: None, **how)


def test_what_was_deleted_is_back_and_what_is_newer_is_left(
    stack: Stack, api: Api, restoring: Callable[..., tuple[int, int]]
) -> None:
    shop = unique("shop")
    with Receiver() as receiver:
        kept = api.post("", {"application_id": shop, "url": receiver.url, "description": "old"}).json()
        name = register(api, receiver, shop)
        with as_of_now(stack, "OperationalEndpoint") as restored:
            assert api.delete(f"/{name}").status_code == 204
            kept_path = f"/{kept['operational_endpoint_id']}"
            api.request("PATCH", kept_path, json={"description": "new"})
            assert restoring("OperationalEndpoint", restored)[0] >= 1
            assert api.get(kept_path).json()["description"] == "new"
            api.post(f"/{name}/test", None)
            assert receiver.wait_until(lambda: bool(receiver.receipts), ARRIVES_WITHIN)
            assert receiver.receipts[0].is_verified
            assert restoring("OperationalEndpoint", restored, overwrite=True)[1] == 0
            assert api.get(kept_path).json()["description"] == "old"


def test_a_table_is_not_taken_for_another(stack: Stack, restoring: Callable[..., tuple[int, int]]) -> None:
    with pytest.raises(NotAlike, match="is no Source: its key is another"):
        restoring("Source", stack.tables["ApiKey"])


def test_every_table_can_be_restored_but_two_that_need_it_not() -> None:
    assert set(TABLES) == set(of_type("AWS::DynamoDB::Table")) - {"DeliveryPace", "Idempotency"}
