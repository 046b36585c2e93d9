"""AWS fails at every call that a function makes: nothing is lost, nothing is done twice, and a client is told to ask
again. Here each call fails in one way; `make faults` lets it fail in all."""

from tests.aws_faults.run import broken_cloud, run
from tests.local_cloud.cloud import ROOT


def test_every_call_fails_and_nothing_is_lost_or_done_twice() -> None:
    with broken_cloud(ROOT / ".local" / "faults", print) as (stack, between):
        run(stack, between, turn=0)
