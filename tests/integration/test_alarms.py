"""The alarms of template.yaml: what each watches, whom it tells, what lights the one over all, and what to do then."""

import ast
import json
import re
from typing import Any

import pytest

from tests.in_process.aws import ROOT
from tests.integration.test_template import RESOURCES, TEMPLATE, of_type

ALARMS = of_type("AWS::CloudWatch::Alarm")
COMPOSITES = of_type("AWS::CloudWatch::CompositeAlarm")
RUNBOOK = (ROOT / "docs" / "operations.md").read_text()
OPTIONAL = {"NoSignalsAlarm": "NoSignals", "DeliverySuccessRateAlarm": "Derived", "NeedsALookAlarm": "Derived"}
# What AWS publishes, and the dimension that says whose it is (CloudWatch metrics for SQS, for Lambda).
DEPTHS = {
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesVisible",
    "ApproximateAgeOfOldestMessage",
}
METRICS = {"AWS/SQS": ("QueueName", DEPTHS), "AWS/Lambda": ("FunctionName", {"Errors", "Throttles", "IteratorAge"})}
DIMENSION = [{"Name": "service", "Value": "hookwatch"}]


def listed_metrics() -> set[str]:
    return set(re.findall(r"^\| `(\w+)` \|", section("Metrics"), re.MULTILINE))


def section(heading: str) -> str:
    """What stands in the runbook under `## heading`."""
    return RUNBOOK.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def section_of(name: str) -> str:
    """The heading that the description of an alarm ends with."""
    [heading] = re.findall(
        r"docs/operations\.md, ([A-Z][^.]*)\.$", RESOURCES[name]["Properties"]["AlarmDescription"].strip()
    )
    return str(heading)


def watched(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """Namespace, name and dimensions of each metric."""
    if "Metrics" not in alarm:
        return [alarm]
    return [query["MetricStat"]["Metric"] for query in alarm["Metrics"] if "MetricStat" in query]


def expanded(sub: list[Any], *, takes: str) -> str:
    """A Fn::Sub whose variables are Fn::If, with every condition holding: `takes` is what each variable then is, read
    from the second value of its Fn::If."""
    text, variables = sub
    for name, value in variables.items():
        text = text.replace(f"${{{name}}}", value["Fn::If"][1]["Fn::Sub"] if takes == "all" else value["Fn::If"][2])
    return str(text)


def dashboard(*, takes: str = "all") -> list[dict[str, Any]]:
    """The widgets, with every alarm, or with those that there always are."""
    [properties] = of_type("AWS::CloudWatch::Dashboard").values()
    widgets: list[dict[str, Any]] = json.loads(expanded(properties["DashboardBody"]["Fn::Sub"], takes=takes))["widgets"]
    return widgets


def in_rule(*, takes: str) -> list[str]:
    [composite] = COMPOSITES.values()
    rule = expanded(composite["AlarmRule"]["Fn::Sub"], takes=takes)
    terms = rule.split(" OR ")
    assert all(re.fullmatch(r'ALARM\("\$\{\w+\}"\)|FALSE', term) for term in terms), rule
    return [term.removeprefix('ALARM("${').removesuffix('}")') for term in terms if term != "FALSE"]


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_watches_what_somebody_publishes(name: str) -> None:
    for metric in watched(ALARMS[name]):
        if metric["Namespace"] == "Hookwatch":
            assert metric["MetricName"] in listed_metrics()
            assert metric["Dimensions"] == DIMENSION
            continue
        dimension, published = METRICS[metric["Namespace"]]
        assert metric["MetricName"] in published
        [found] = metric["Dimensions"]
        assert found["Name"] == dimension
        [owner] = found["Value"].values()
        owner = owner if isinstance(owner, str) else owner[0]
        owns = "AWS::SQS::Queue" if dimension == "QueueName" else "AWS::Serverless::Function"
        assert RESOURCES[owner]["Type"] == owns
        assert name.startswith(owner) or name in {"StreamAgeAlarm"}


def test_every_function_and_every_dead_letter_queue_has_its_alarms() -> None:
    functions = set(of_type("AWS::Serverless::Function")) - {"Reemitter"}  # whoever invokes it is told
    for metric in ("Errors", "Throttles"):
        of_each = {f"{name}{metric}Alarm" for name in functions}
        assert {name for name in ALARMS if name.endswith(f"{metric}Alarm")} == of_each
    dead_letters = {name for name in of_type("AWS::SQS::Queue") if name.endswith(("DeadLetters", "Failures"))}
    assert {f"{name}Alarm" for name in dead_letters} <= set(ALARMS)


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_tells_the_topic_when_it_is_on_and_when_it_is_over(name: str) -> None:
    assert ALARMS[name]["AlarmActions"] == ALARMS[name]["OKActions"] == [{"Ref": "AlarmTopic"}]


@pytest.mark.parametrize("name", [*ALARMS, *COMPOSITES])
def test_an_alarm_names_the_section_that_says_what_to_do(name: str) -> None:
    assert section(section_of(name)).strip()
    assert len(RESOURCES[name]["Properties"]["AlarmDescription"]) <= 1024  # PutMetricAlarm


def test_the_table_of_alarms_has_each_and_no_other_and_links_to_its_section() -> None:
    links: dict[str, str] = {}
    for row in re.findall(r"^\| `.*$", section("Alarms").partition("\n### ")[0], re.MULTILINE):
        _, names, _, action, _ = row.split("|")
        [anchor] = re.findall(r"\]\(#([\w-]+)\)", action)
        for name in re.findall(r"`(…?\w+)`", names):
            of_each = [alarm for alarm in ALARMS if alarm.endswith(name[1:])] if name.startswith("…") else [name]
            links |= dict.fromkeys(of_each, anchor)
    assert sorted(links) == sorted([*ALARMS, *COMPOSITES])
    assert links == {name: section_of(name).lower().replace(" ", "-") for name in links}


@pytest.mark.parametrize("name", ["NoSignalsAlarm", "DeliverySuccessRateAlarm", "DeliveryLagAlarm", "SignalsAgeAlarm"])
def test_a_section_names_the_alarm_that_it_is_about(name: str) -> None:
    assert f"`{name}`" in section(section_of(name))


def test_the_costs_count_the_metrics_under_alarm() -> None:
    number = sum(len(watched(alarm)) for alarm in ALARMS.values())
    line = f"| alarms | {number} metrics under alarm at 0.10, of which each account has ten free"
    assert f"{line} | {(number - 10) / 10:.2f} |" in RUNBOOK
    readme = (ROOT / "README.md").read_text()
    assert f"alarms on {number} metrics" in readme
    lines = re.findall(r"^\| [^|]+ \| [^|]+ \| ([\d.]+) \|$", section("Costs").partition("| in all |")[0], re.MULTILINE)
    assert f"| in all | | {sum(map(float, lines)):.2f} |" in RUNBOOK


def test_the_composite_alarm_is_over_every_alarm_and_no_other() -> None:
    assert sorted(in_rule(takes="all")) == sorted(ALARMS)
    [composite] = COMPOSITES.values()
    conditions = {name: RESOURCES[name].get("Condition") for name in ALARMS}
    assert {name for name, condition in conditions.items() if condition} == {*OPTIONAL} - {"NeedsALookAlarm"}
    # It goes by the same condition as the one; without the other its rule says FALSE in its place.
    assert RESOURCES["NeedsALookAlarm"]["Condition"] == conditions["DeliverySuccessRateAlarm"]
    assert set(ALARMS) - set(in_rule(takes="none")) == {"NoSignalsAlarm"}
    names = [f"hookwatch-{name}-ABCDEFGHIJKL" for name in ALARMS]
    assert len(names) <= 100  # children, and the length of a rule (PutCompositeAlarm)
    assert len(" OR ".join(f'ALARM("{name}")' for name in names)) <= 10_240
    assert "AlarmTopic" not in json.dumps(composite)  # who is told by each alarm is not told twice


def test_the_dashboard_lists_every_alarm_that_there_is() -> None:
    for takes, there in (("all", {*ALARMS, *COMPOSITES}), ("none", {*ALARMS, *COMPOSITES} - OPTIONAL.keys())):
        [listed] = [widget["properties"]["alarms"] for widget in dashboard(takes=takes) if widget["type"] == "alarm"]
        assert sorted(listed) == sorted(f"${{{name}.Arn}}" for name in there)


def success_rate(**counts: float) -> float | None:
    """What CloudWatch makes of an hour's counts; of those left out there is no data. None: no data."""
    default = TEMPLATE["Parameters"]["AlarmDeliverySuccessFromDeliveries"]["Default"]
    queries = {query["Id"]: query for query in ALARMS["DeliverySuccessRateAlarm"]["Metrics"]}
    values: dict[str, float | None] = {name: counts.get(name) for name in queries if "MetricStat" in queries[name]}

    def evaluate(expression: Any) -> float:
        text = expression["Fn::Sub"] if isinstance(expression, dict) else expression
        text = text.replace("${AlarmDeliverySuccessFromDeliveries}", str(default))
        ast.parse(text, mode="eval")
        functions = {
            "FILL": lambda value, filling: filling if value is None else value,
            "IF": lambda condition, then, otherwise: then if condition else otherwise,
        }
        return float(eval(text, functions, values))  # noqa: S307  # the template's own text

    values["ended"] = evaluate(queries["ended"]["Expression"])
    try:
        return evaluate(queries["rate"]["Expression"])
    except ZeroDivisionError:  # CloudWatch has no data point then
        return None


@pytest.mark.parametrize(
    ("counts", "alarms"),
    [
        pytest.param({}, False, id="nothing ended"),
        pytest.param({"delivered": 1000}, False, id="all were delivered, and nothing else was ever counted"),
        pytest.param({"exhausted": 49}, False, id="one receiver of one fails, and little happens"),
        pytest.param({"exhausted": 30, "given_up": 30}, True, id="nothing gets out"),
        pytest.param({"delivered": 100, "exhausted": 100}, False, id="one of two receivers of the same events fails"),
        pytest.param({"delivered": 100, "exhausted": 101}, True, id="more than one of two"),
    ],
)
def test_the_success_rate_is_of_deliveries_that_ended_and_of_enough_of_them(
    counts: dict[str, float], alarms: bool
) -> None:
    alarm = ALARMS["DeliverySuccessRateAlarm"]
    assert (alarm["ComparisonOperator"], alarm["TreatMissingData"]) == ("LessThanThreshold", "notBreaching")
    assert [query["Id"] for query in alarm["Metrics"] if query.get("ReturnData", True)] == ["rate"]
    threshold = TEMPLATE["Parameters"]["AlarmDeliverySuccessPercent"]["Default"]
    rate = success_rate(**counts)
    assert (rate is not None and rate < threshold) == alarms


def test_silence_is_an_alarm_that_a_missing_sweep_neither_raises_nor_ends() -> None:
    alarm = ALARMS["NoSignalsAlarm"]
    assert alarm["MetricName"] == "MinutesWithoutSignals"
    assert alarm["TreatMissingData"] == "ignore"
    assert (alarm["Threshold"], alarm["EvaluationPeriods"]) == ({"Ref": "AlarmNoSignalsMinutes"}, 1)
    assert TEMPLATE["Conditions"]["AlarmNoSignals"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "AlarmNoSignalsMinutes"}, 0]}]
    }
