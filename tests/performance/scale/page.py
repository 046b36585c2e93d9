"""docs/scale.md and its charts, from the runs."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tests.local_cloud.cloud import ROOT
from tests.performance.report import Section, Table
from tests.performance.scale import limits, runs
from tests.performance.scale.charts import charts
from tests.performance.scale.costs import COSTS, Costs
from tests.performance.scale.limits import Stack
from tests.performance.scale.load import HOUR, Load
from tests.performance.scale.model import run
from tests.performance.scale.pressure import PRESSURES, Asked
from tests.performance.scale.queues import Lags
from tests.performance.scale.runs import A_TENTH, LOADS, ONE_TENANT, WORST, Run, lag
from tests.performance.scale.workers import Trace

PAGE = ROOT / "docs" / "scale.md"
CHARTS = ROOT / "docs" / "scale"
_LIMITS = {
    "MonitoredEndpoint": "`MonitoredEndpoint`'s write units, of a new table",
    "MessageStats": "`MessageStats`' write units, when the hour turns",
    "Application": "`Application`'s write units, when the hour turns",
    "OperationalEvent": "`OperationalEvent`'s write units",
    "ObserverConcurrency": "`ObserverConcurrency`",
    "ParallelizationFactor": "one emitter for each shard",
    "DeliveryConcurrency": "`DeliveryConcurrency`",
    "RetryConcurrency": "`RetryConcurrency`",
    "messages in flight": "RETRIES' messages in flight",
}


def write() -> Section:
    deployed, lifted = runs.as_deployed(), runs.lifted()
    CHARTS.mkdir(exist_ok=True)
    for name, drawn in charts(deployed, lifted).items():
        (CHARTS / f"{name}.svg").write_text(drawn)
    answer = _answer(deployed, lifted)
    PAGE.write_text(_page(answer, deployed, lifted))
    return Section(
        "Scale, on paper",
        "By a model of the deployed system, from AWS's published limits: [scale.md](scale.md). Nothing ran on AWS.",
        [answer],
        done="Computed",
    )


def _page(answer: Table, deployed: Mapping[tuple[int, str], Run], lifted: Mapping[int, Mapping[str, Run]]) -> str:
    tables = {
        "answer": answer,
        "all_runs": _all_runs(deployed),
        "hits": _hits(deployed, lifted),
        "failing": failing_deliveries(),
        "pressures": pressures(),
        "gathering": _gathering(),
        "loads": _loads(),
        "costs": _costs(),
        "published": _published(),
    }
    written = {name: "\n".join(table.lines()) for name, table in tables.items()}
    hanging = failing_deliveries().rows[-1][1]
    return Path(__file__).with_suffix(".md").read_text().format(**written, hanging=hanging, read_on=limits.READ_ON)


# ── tables ──


def _answer(deployed: Mapping[tuple[int, str], Run], lifted: Mapping[int, Mapping[str, Run]]) -> Table:
    rows = []
    for rate in LOADS:
        worst = deployed[rate, WORST]
        hit = worst.limits_hit()
        steps = list(lifted[rate].items())
        first = f"{_LIMITS[hit[0][0]]}, {_when(worst.load, hit[0][1])}" if hit else f"none; {_nearest(worst)}"
        rows.append(
            (
                f"{rate:,}/s",
                first,
                _lags(worst.trace) + ("<br>and growing" if worst.calm_after() is None else ""),
                "<br>".join(name for name, _ in steps) or "-",
                _lags(steps[-1][1].trace) if steps else "-",
            )
        )
    return Table(("reported", "first limit hit", "lag, p99 and worst", "lifted by", "lag then"), rows, is_text=True)


def _nearest(run: Run) -> str:
    fullest = max(PRESSURES, key=lambda each: each.share(run.load, run.stack))
    return f"the nearest is {fullest.limit}: {_percent(fullest.share(run.load, run.stack))} full"


def _lags(trace: Trace) -> str:
    named = {"event": trace.to_event, "first attempt": trace.to_attempt, "retries late by": trace.retry_late}
    return "<br>".join(f"{name} {_span(lag(lags, 0.99))}, {_span(lag(lags, 1))}" for name, lags in named.items())


def _all_runs(deployed: Mapping[tuple[int, str], Run]) -> Table:
    rows = []
    for (rate, outage), each in deployed.items():
        trace = each.trace
        cells = ["/".join(_span(lag(lags, share)) for share in (0.5, 0.99, 1)) for lags in _of(trace)]
        most = (max(numbers) for numbers in (trace.signals_waiting, trace.deliveries_waiting, trace.retries_waiting))
        rows.append(
            (
                f"{rate:,}/s, {outage}",
                *cells,
                *(f"{number:,}" for number in most),
                f"{max(trace.in_flight):,}",
                f"{trace.flow['exhausted']:,}",
                _calm(each),
            )
        )
    columns = ("run", "signal → event", "signal → first attempt", "retries late by", "SIGNALS", "DELIVERIES", "RETRIES")
    return Table((*columns, "in flight", "exhausted", "calm after"), rows)


def _of(trace: Trace) -> tuple[Lags, Lags, Lags]:
    return trace.to_event, trace.to_attempt, trace.retry_late


def _calm(run: Run) -> str:
    if not run.load.failing and not run.limits_hit():
        return "-"
    after = run.calm_after()
    return "never" if after is None else "at once" if after == 0 else _span(after)


def _hits(deployed: Mapping[tuple[int, str], Run], lifted: Mapping[int, Mapping[str, Run]]) -> Table:
    """The worst outage, limit after limit."""
    rows = []
    for rate in filter(lifted.get, LOADS):
        for name, each in {"as deployed": deployed[rate, WORST], **lifted[rate]}.items():
            hit = [
                f"{_LIMITS[limit]}: {_when(each.load, since)}, for {_span(held)}"
                for limit, since, held in each.limits_hit()
            ]
            rows.append((f"{rate:,}/s", name, "<br>".join(hit) or "none", _lags(each.trace), _calm(each)))
    columns = ("reported", "limits", "hit, for how long in all", "lag, p99 and worst", "calm after")
    return Table(columns, rows, is_text=True)


def pressures() -> Table:
    """How full the limits are, of the stack as deployed. A test holds that the page has this table."""
    stack = Stack.of_template()
    loads = [*LOADS.values(), ONE_TENANT]
    worst = [replace(load, failing=A_TENTH, dead=A_TENTH) for load in loads]
    rows = [(each.limit, *(_percent(each.share(load, stack)) for load in worst), each.lifted_by) for each in PRESSURES]
    names = [f"{rate:,}/s" for rate in LOADS]
    return Table(("limit", *names, f"{ONE_TENANT.rate:,}/s, one tenant", "lifted by"), rows, is_text=True)


def _gathering() -> Table:
    stack, rows = Stack.of_template(), []
    for rate, base in LOADS.items():
        for seconds in (1, 10, 30):
            load = replace(base, gathered=seconds)
            trace = run(load, stack, seconds=2 * HOUR)
            rows.append(
                (
                    f"{rate:,}/s, {seconds} s",
                    f"{load.requests():,.0f}",
                    f"{load.messages():,.0f}",
                    _percent(load.requests() / stack.ingest_requests),
                    _percent(Asked(load, stack, COSTS).observers / stack.observer_concurrency),
                    _percent(load.messages() * COSTS.endpoint_units / stack.warm_units),
                    _span(lag(trace.to_event, 0.99)),
                    _span(lag(trace.to_event, 1)),
                )
            )
    asked = ("requests a second", "messages of SIGNALS a second")
    full = ("`IngestRequestsPerSecond`", "`ObserverConcurrency`", "a new `MonitoredEndpoint`")
    return Table(("gathered for", *asked, *full, "signal → event, p99", "worst"), rows)


def failing_deliveries() -> Table:
    """How many a second RETRIES bears for as long as it lasts."""
    stack, load = Stack.of_template(), LOADS[16]
    cases = {
        "they fail at once, without jitter": Costs(hang=0, jitter=0),
        "… with jitter, a tenth on average": Costs(hang=0),
        "they hang for 10 s, `RetryConcurrency` large enough": COSTS,
    }
    rows = [
        (name, f"{limits.IN_FLIGHT.value // Asked(load, stack, costs).hidden:,.0f}", "messages in flight")
        for name, costs in cases.items()
    ]
    posted = stack.retry_concurrency * stack.delivery_batch / COSTS.hang / (1 + len(stack.retry_waits))
    hang = f"they hang for 10 s, `RetryConcurrency` {stack.retry_concurrency}, as deployed"
    return Table(
        ("receivers", "failing deliveries a second", "then"), [*rows, (hang, f"{posted:.0f}", "`RetryConcurrency`")]
    )


def _loads() -> Table:
    loads = [replace(load, failing=A_TENTH, dead=A_TENTH) for load in (*LOADS.values(), ONE_TENANT)]
    stack = Stack.of_template()

    def row(name: str, *numbers: float) -> tuple[str, ...]:
        return name, *(f"{number:,.1f}".removesuffix(".0") for number in numbers)

    asked = [Asked(load, stack, COSTS) for load in loads]
    rows = [
        row("applications", *(load.applications for load in loads)),
        row("monitored endpoints of each", *(load.endpoints for load in loads)),
        row("operational endpoints of each", *(load.operational_endpoints for load in loads)),
        row("… and for all, on call", *(load.on_call for load in loads)),
        row("… of them `message_events: all`, %", *(100 * load.all_share for load in loads)),
        row("events of an endpoint a day without an outage", *(load.changes_a_day for load in loads)),
        row("an application's attempts are gathered for, s", *(load.gathered for load in loads)),
        row("… and sent at most so many a request", *(load.request_attempts for load in loads)),
        row("requests a second", *(load.requests() for load in loads)),
        row("messages of SIGNALS a second", *(load.messages() for load in loads)),
        row("events when the incidents open, a second", *(each.burst for each in asked)),
        row("quiet events a second, from 35 min on", *(each.quiet for each in asked)),
        row("deliveries of these a second", *(each.deliveries for each in asked)),
        row("… to receivers that hang", *(each.hanging for each in asked)),
    ]
    return Table(("", *(f"{rate:,}/s" for rate in LOADS), f"{ONE_TENANT.rate:,}/s, one tenant"), rows)


def _costs() -> Table:
    return Table(
        ("what", "takes"),
        [
            ("ingest, a request", f"{COSTS.ingest} s"),
            ("observer, a message", f"{COSTS.observe} s, {COSTS.observe + COSTS.observe_more} s in a transaction"),
            (
                "emitter, a batch; an event; a delivery",
                f"{COSTS.emit_batch} s; {COSTS.emit_event} s; {COSTS.emit_delivery} s",
            ),
            ("delivery, a batch of ten to receivers that work", f"{COSTS.deliver} s, the slowest of ten"),
            ("… with one that hangs", f"{COSTS.hang} s"),
            ("write units of `MonitoredEndpoint`, a message", f"{COSTS.endpoint_units}, 2 in a transaction"),
            ("… of `MessageStats`, an endpoint's hour", f"{COSTS.hour_units}"),
            ("… of `OperationalEvent`, an event", f"{COSTS.event_units}, and 1 of its index"),
        ],
        is_text=True,
    )


def _published() -> Table:
    rows = [
        (limit.what, f"{limit.value:,}", "yes" if limit.is_quota else "no", limit.page) for limit in limits.PUBLISHED
    ]
    return Table(("limit", "is", "raised on request", "AWS's page"), rows, is_text=True)


# ── words ──


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 1:
        return "< 1 s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / HOUR:.1f} h"


def _when(load: Load, second: int) -> str:
    if second < load.begins:
        return f"{_span(second)} after the start"
    return f"{_span(second - load.begins)} into the outage"


def _percent(share: float) -> str:
    return f"{100 * share:,.0f} %" if share >= 0.01 else "< 1 %" if share else "-"
