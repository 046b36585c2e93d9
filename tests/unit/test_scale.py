"""The model behind docs/scale.md: nothing is lost in it, and it finds what can be reckoned by hand."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from tests.performance.scale import limits, page
from tests.performance.scale.costs import COSTS, Costs
from tests.performance.scale.limits import Stack
from tests.performance.scale.load import HOUR, Load, Whole, arrivals
from tests.performance.scale.model import OnDemandTable, run, run_retries
from tests.performance.scale.plots import chart
from tests.performance.scale.pressure import Asked
from tests.performance.scale.queues import Lags, percentile
from tests.performance.scale.runs import LOADS, ONE_TENANT

DEPLOYED = Stack.of_template()
STARVED = DEPLOYED.lifted(
    observer_concurrency=2, delivery_concurrency=2, retry_concurrency=2, in_flight=50, warm_units=300
)
WIDE = DEPLOYED.lifted(retry_concurrency=1_000)
OUTAGE = replace(LOADS[3_500], failing=0.1, dead=0.1, begins=300, lasts=3_000)
AT_ONCE = Costs(hang=0)


def waited(lags: Lags) -> int:
    return sum(seconds * count for seconds, count in lags.between().items())


@pytest.mark.parametrize("stack", [DEPLOYED, STARVED], ids=["as deployed", "starved"])
@pytest.mark.parametrize(
    "load", [OUTAGE, replace(OUTAGE, gathered=1, all_share=1.0)], ids=["outage", "outage, all told"]
)
def test_what_comes_in_goes_out_or_waits(load: Load, stack: Stack) -> None:
    flow = run(load, stack, seconds=5_000).flow
    assert flow["messages in"] == flow["messages counted"] + flow["messages left"] > 0
    assert flow["events due"] == flow["events emitted"] + flow["events left"] > 0
    assert flow["deliveries owed"] == flow["delivered"] + flow["exhausted"] + flow["deliveries left"] > 0


def test_who_waits_is_how_many_come_times_how_long_they_wait() -> None:
    """Little's law, exactly: over a time that begins and ends with nobody waiting both are the same sum."""
    trace = run(replace(OUTAGE, all_share=0.2), DEPLOYED, seconds=2 * HOUR)
    assert trace.flow["deliveries left"] == 0
    assert sum(trace.retries_waiting) == waited(trace.retry_late) > 0
    assert sum(trace.signals_waiting) == waited(trace.to_event)


def test_in_flight_is_how_many_fail_times_how_long_they_are_hidden() -> None:
    trace = run_retries(10, WIDE, seconds=HOUR)
    assert trace.in_flight[-1] == pytest.approx(10 * Asked(OUTAGE, WIDE, COSTS).hidden, rel=0.01)


@pytest.mark.parametrize(
    ("costs", "most"),
    [(replace(AT_ONCE, jitter=0), 55), (AT_ONCE, 50)],
    ids=["without jitter, as the design has it", "with jitter"],
)
def test_retries_are_late_from_the_56th_failing_delivery_a_second_on_and_with_jitter_sooner(
    costs: Costs, most: int
) -> None:
    assert run_retries(most, WIDE, costs, seconds=2_600).first == {}
    assert run_retries(most + 1, WIDE, costs, seconds=2_600).first.keys() == {"messages in flight"}


def test_receivers_that_hang_fill_the_workers_of_retries_first() -> None:
    """Twenty batches of ten, ten seconds each, five attempts: four deliveries a second."""
    borne, too_many = (run_retries(number, DEPLOYED, seconds=2 * HOUR) for number in (4, 5))
    assert percentile(borne.retry_late.between(since=60), 1) in range(5)
    assert (percentile(too_many.retry_late.between(since=110), 0.5) or 0) > 200
    assert too_many.first.keys() == {"RetryConcurrency"}


def test_without_an_outage_nothing_of_3500_a_second_waits() -> None:
    trace = run(LOADS[3_500], DEPLOYED, seconds=2 * HOUR)
    assert trace.first == {}
    assert percentile(trace.to_event.between(), 1) == percentile(trace.to_attempt.between(), 1) == 0


@pytest.mark.parametrize("load", [*LOADS.values(), ONE_TENANT], ids=str)
def test_as_many_messages_arrive_as_endpoints_have_attempts_in_a_request(load: Load) -> None:
    come = list(arrivals(load, HOUR))
    assert sum(second.messages for second in come) == pytest.approx(load.messages() * HOUR, abs=1)
    assert load.messages() <= min(load.rate, load.requests() * load.endpoints)


def test_a_message_is_told_when_its_fourth_attempt_fails_and_when_it_succeeds_after_all() -> None:
    load = replace(LOADS[100_000], failing=0.1)
    quiet = [second.quiet for second in arrivals(load, 5 * HOUR)]
    told_from, succeeds_from = load.begins + sum(load.waits[:3]), load.begins + sum(load.waits[:4])
    assert sum(quiet[:told_from]) == sum(quiet[load.ends : succeeds_from]) == 0
    assert {*quiet[told_from : load.ends]} == {load.rate // 10}
    assert sum(quiet[succeeds_from:]) == sum(quiet[told_from : load.ends])


def test_fractions_add_up_and_are_never_taken_back() -> None:
    whole = Whole()
    found = [whole.of(number) for number in (0.1,) * 30 + (0.0,) * 30]
    assert min(found) == 0
    assert sum(found) == 3


def test_a_table_grows_to_twice_its_peak_and_not_beyond_its_quota() -> None:
    table, half_an_hour = OnDemandTable("MonitoredEndpoint", limits.TABLE_COLD.value), limits.TABLE_DOUBLES.value * 60
    units = []
    for now in range(5 * half_an_hour):
        table.use(table.left)
        table.turn(now)
        units.append(table.units)
    assert units[half_an_hour - 2 :: half_an_hour] == [4_000, 8_000, 16_000, 32_000, 40_000]


def test_the_page_is_of_this_template() -> None:
    """Else `make bench ONLY=scale` writes it anew."""
    written = page.PAGE.read_text()
    for table in (page.pressures(), page.failing_deliveries()):
        assert "\n".join(table.lines()) in written


def test_a_chart_is_well_formed_and_drawn_alike_each_time() -> None:
    drawn = [chart("A & <b>", "seconds", {"<1>": [None, 0.5, 7, None, 1_000]}, shaded=(0, 0.05)) for _ in range(2)]
    assert drawn[0] == drawn[1]
    for svg in (drawn[0], *(path.read_text() for path in page.CHARTS.glob("*.svg"))):
        assert ElementTree.fromstring(svg).tag.endswith("svg")  # noqa: S314  # our own
