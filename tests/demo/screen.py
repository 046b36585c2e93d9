"""The screen: incidents, one line each, and the events that arrived."""

from statistics import quantiles

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tests.demo.story import Story
from tests.local_cloud.receiver import Receipt, Receiver

_EVENTS_SHOWN = 14
_COLOURS = {"info": "cyan", "warning": "yellow", "error": "red", "critical": "bold red"}


def render(step: str, story: Story, receiver: Receiver, *, is_over: bool = False) -> RenderableType:
    receipts = list(receiver.receipts)
    return Group(
        Text(f"{'✓' if is_over else '…'} {step}", style="bold"),
        _incidents(receipts),
        _events(receipts, story),
        Text(summary(story, receiver) + "\n"),
    )


def summary(story: Story, receiver: Receiver) -> str:
    return f"{story.reported} attempts reported, {story.failed} failed → {len(receiver.accepted())} notifications"


def latencies(story: Story, receiver: Receiver) -> str:
    """p50 and p95 over the events of the inventory, when nothing else was under way."""
    measured = [
        story.latency(receipt.arrived_at, receipt.data["detected_at"])
        for receipt in receiver.accepted()
        if receipt.type == "endpoint.created" and receipt.attempt == 1
    ]
    cuts = quantiles(measured, n=20, method="inclusive")
    return f"from a signal's 202 to the receiver, idle: p50 {cuts[9]:.0f} ms, p95 {cuts[18]:.0f} ms (n={len(measured)})"


def _incidents(receipts: list[Receipt]) -> Table:
    table = Table(title="Incidents", title_justify="left", expand=True)
    for column in ("endpoint", "why", "failing since", "opened", "closed"):
        table.add_column(column, no_wrap=True)
    closed = {receipt.data["dedup_key"]: receipt for receipt in receipts if receipt.type == "endpoint.recovered"}
    opened = {receipt.data["dedup_key"]: receipt for receipt in receipts if receipt.type == "endpoint.failing"}
    for dedup_key, receipt in opened.items():
        data = receipt.data
        causes = ", ".join(f"{cause} × {count}" for cause, count in data["failures_by_cause"].items())
        table.add_row(
            data["endpoint_id"],
            f"{data['consecutive_failures']} in a row ({causes})",
            _time(data["failing_since"]),
            _time(receipt.body["timestamp"]),
            _closed(closed.get(dedup_key)),
            style="green" if dedup_key in closed else "red",
        )
    return table


def _closed(recovered: Receipt | None) -> str:
    if recovered is None:
        return "—"
    return f"{_time(recovered.body['timestamp'])} ({recovered.data['reason']}, {recovered.data['duration_seconds']} s)"


def _events(receipts: list[Receipt], story: Story) -> Table:
    hidden = max(0, len(receipts) - _EVENTS_SHOWN)
    more = f", {hidden} more before" if hidden else ""
    title = f"Events at the receiver{more} (ms: from the signal's 202)"
    table = Table(title=title, title_justify="left", expand=True)
    for column in ("type", "endpoint", "verified", "attempt", "answered"):
        table.add_column(column, no_wrap=True)
    table.add_column("ms", justify="right")
    for receipt in receipts[-_EVENTS_SHOWN:]:
        table.add_row(
            Text(receipt.type, style=_COLOURS[receipt.data["severity"]]),
            receipt.data["endpoint_id"],
            "yes" if receipt.is_verified else Text("NO", style="bold red"),
            str(receipt.attempt),
            str(receipt.status),
            f"{story.latency(receipt.arrived_at, receipt.data['detected_at']):.0f}",
        )
    return table


def _time(text: str) -> str:
    return text[11:19]
