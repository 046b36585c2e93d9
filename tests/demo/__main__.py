"""`python -m tests.demo`. Exit status 0 only if every expected event arrived verified, and no other."""

import signal
import sys
from typing import Any

from rich.console import Console
from rich.live import Live

from tests.demo import screen
from tests.demo.choosing import Choosing
from tests.demo.story import Story
from tests.local_cloud.api import Api
from tests.local_cloud.cloud import ROOT, CloudError, down, up
from tests.local_cloud.receiver import Receiver

STATE = ROOT / ".local" / "demo"


def busy_for_two_attempts(body: dict[str, Any], attempt: int) -> int:
    """The receiver answers one delivery with 503 twice, so that its retries are seen."""
    return 503 if body["type"] == "endpoint.failing" and attempt <= 2 else 200


def play(console: Console) -> int:
    stack = up(STATE, lambda text: console.print(f"… {text}", highlight=False), port=0)
    with Receiver(busy_for_two_attempts) as receiver, Choosing(Api(stack), receiver) as choosing:
        story = Story(Api(stack), receiver)
        with Live(console=console, refresh_per_second=8) as live:

            def show(step: str, *, is_over: bool = False) -> None:
                live.update(screen.render(step, story, receiver, is_over=is_over))

            show("a receiver registers for every application")
            story.register()
            show("two more register: one with a filter, one that takes batches")
            choosing.register()
            show("a Hook0 instance tells of a subscription: created, changed, switched off, removed")
            story.hook0()
            story.arrive()
            for number in story.inventory():
                show(f"the platform creates its endpoints, one by one: {number}")
            for second in story.outage():
                show(f"the platform reports its attempts: minute {second // 60 + 1} of 4")
            show("waiting for the last notifications")
            story.arrive()
            show("waiting for the filtered ones, and for the batches")
            choosing.filtered()
            choosing.batched()
            show("the filtered ones are delivered once more: a replay")
            choosing.replayed()
            # What must not arrive would have come by now: the quiet events are older than the last loud one.
            show("played", is_over=True)
        return verdict(console, story, receiver, choosing)


def verdict(console: Console, story: Story, receiver: Receiver, choosing: Choosing) -> int:
    for line in choosing.lines:
        console.print(line, highlight=False, markup=False)
    console.print(screen.latencies(story, receiver), highlight=False)
    counted = story.statistics()
    console.print(
        f"GET /stats counts {counted['attempts']} attempts, {counted['failed_attempts']} failed; "
        f"{counted['success_rate']:.1%} of the messages delivered, half of them within {counted['p50_ms']:.0f} ms",
        highlight=False,
    )
    problems = [
        *(
            f"was counted otherwise: {name}"
            for name, number in (("attempts", story.reported), ("failed_attempts", story.failed))
            if counted[name] != number
        ),
        *(f"did not arrive: {kind} of {endpoint_id}" for kind, endpoint_id in story.missing()),
        *(f"was not expected: {kind} of {endpoint_id}" for kind, endpoint_id in story.unexpected()),
        *(f"was not seen: {line}" for line in choosing.problems),
        *(f"was not verified: {receipt.type}" for receipt in receiver.receipts if not receipt.is_verified),
    ]
    for problem in problems:
        console.print(problem, style="bold red")
    if not problems:
        console.print("Every expected event arrived, verified, and no other.", style="bold green")
    console.print(
        "\nTry it yourself: `make up`, then\n"
        '  curl -s -H @.local/headers "$(cat .local/url)/event_types/endpoint.failing"',
        highlight=False,
        soft_wrap=True,
    )
    return 1 if problems else 0


def main() -> int:
    console = Console()
    if not console.is_terminal:
        console = Console(width=110)
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, _: sys.exit(128 + number))
    try:
        return play(console)
    except CloudError as error:
        console.print(str(error), style="bold red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    finally:
        down(STATE)


if __name__ == "__main__":
    sys.exit(main())
