"""A heartbeat, from the sweeper's minute to a dead-man's switch, on the deployed stack."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from tests.e2e.test_cloudwatch_alarms import deployment, invoke
from tests.e2e.test_notifying import attempts, passes
from tests.e2e.test_the_main_job import ARRIVES_WITHIN, eventually, register, text, types
from tests.local_cloud.api import Api
from tests.local_cloud.cloud import Stack
from tests.local_cloud.receiver import Receiver


@contextmanager
def beating(stack: Stack, minutes: int) -> Iterator[None]:
    """The sweeper has a rhythm meanwhile, which the local cloud's deployment has not."""
    functions, name = stack.client("lambda"), deployment(stack).physical_id("Sweeper")
    before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    after = {**before, "HEARTBEAT_MINUTES": str(minutes)}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": after})
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})


def test_a_heartbeat_arrives_once_in_its_period_where_it_was_named_and_nowhere_else(api: Api, stack: Stack) -> None:
    now = text(datetime.now(UTC))
    with Receiver() as switch, Receiver() as others:
        name = register(api, switch, "*", filter_types=["hookwatch.heartbeat"])
        other = register(api, others, "*")
        passes(1.5)  # the emitter remembers endpoints for a second
        with beating(stack, 1440):
            for _ in range(2):
                invoke(stack, "Sweeper", {"time": now}, "RequestResponse")
            assert switch.wait_until(lambda: bool(switch.receipts), ARRIVES_WITHIN)
            passes(1)
        assert types(switch) == ["hookwatch.heartbeat"]
        assert switch.receipts[0].is_verified
        assert switch.receipts[0].data["application_id"] == "*"
        assert eventually(lambda: bool(attempts(api, name, status="delivered")))
        assert "hookwatch.heartbeat" not in types(others)
        for each in (name, other):
            assert api.delete(f"/{each}").status_code == 204
