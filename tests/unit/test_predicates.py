import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookwatch.notifying import predicates
from hookwatch.notifying.predicates import DEEPEST, LONGEST, STEPS, Invalid, evaluate, parse, shown

PAYLOAD = {
    "type": "endpoint.failing",
    "timestamp": "2026-11-23T10:00:00.000Z",
    "data": {
        "severity": "critical",
        "endpoint_url": "https://erp.example.com/hooks",
        "actor": None,
        "failed_5m": 10,
        "progress": 0.5,
        "labels": {"env": "prod"},
        "custom": {"tags": ["a", "b"], "text": "x" * 200_000, "items": [{"price": n} for n in range(5_000)]},
    },
}


@pytest.mark.parametrize(
    "text",
    [
        "data.severity == 'critical' && starts_with(data.endpoint_url, 'https://erp.')",
        "type == 'endpoint.failing'",
        'contains(`["error", "critical"]`, data.severity)',
        "data.labels.env != 'test'",
        "data.failed_5m > `9` && data.progress <= `0.5`",
        "data.custom.tags[?@ == 'b']",
        "!(data.actor)",
        "!data[0] && !(data.labels.env == 'test')",
        "data.custom.items[-1].price == `4999`",
        "length(data.custom.items) > `1000`",
        "sort(data.custom.tags)[0] == 'a'",
        "max_by(data.custom.items[:3], &price).price == `2`",
        "`0`",
        'to_string(data.labels) == \'{"env":"prod"}\'',
    ],
)
def test_what_yields_a_true_value_matches(text: str) -> None:
    assert evaluate(text, PAYLOAD).matches


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("data.severity == 'error'", False),
        ("data.nothing", None),
        ("nothing.at.all", None),
        ("data.actor", None),
        ("data.nothing > `1`", None),
        ("data.severity[0]", None),
        ("data.custom.tags[?@ == 'c']", []),
        ("''", ""),
        ("`{}`", {}),
        ("data.custom.tags[999999999999999999999]", None),
    ],
)
def test_what_yields_nothing_true_does_not_match_and_is_no_error(text: str, value: Any) -> None:
    outcome = evaluate(text, PAYLOAD)
    assert (outcome.matches, outcome.value, outcome.error) == (False, value, None)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("starts_with(data.nothing, 'https://')", "starts_with() takes string, and not null"),
        ("!starts_with(data.nothing, 'https://')", "starts_with() takes string, and not null"),
        ("sum(data.custom.tags)", "sum() takes array-number, and not string"),
        ("data.failed_5m < data.severity", "a comparison or a function cannot take its values"),
        ("contains(data.severity, `1`)", "a comparison or a function cannot take its values"),
        ("ceil(to_number('inf'))", "a comparison or a function cannot take its values"),
        ("data.custom.tags[::0]", "a comparison or a function cannot take its values"),
    ],
)
def test_a_type_error_is_no_match_and_said(text: str, error: str) -> None:
    outcome = evaluate(text, PAYLOAD)
    assert (outcome.matches, outcome.error) == (False, error)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 1),
        ("   ", 4),
        ("data.severity = 'critical'", 15),
        ("data.severity == ", 18),
        ("data.severity == 'critical", 18),
        ("data severity", 6),
        ("type == 'a' && lower(type) == 'b'", 16),
        ("length(type, type)", 1),
        ("type && length()", 9),
        ("map(type, data)", 1),
        ("type == `critical`", 9),
        ("`NaN`", 1),
        ("type || &data", 9),
        ("(&data)", 2),
        ("length(&data)", 1),
        ("data.[", 7),
        ("type && !data.actor", 9),
        ("type == '\ud800'", 10),
        ("!data.custom.tags[?@ == 'a']", 1),
        ('"\\q"', 1),
        ("a" * (LONGEST + 1), LONGEST + 1),
    ],
)
def test_what_is_no_expression_is_refused_with_its_position(text: str, position: int) -> None:
    with pytest.raises(Invalid, match=f"^at character {position}: [^\n]+$") as caught:
        parse(text)
    assert caught.value.position == position


@pytest.mark.parametrize(
    ("before", "within", "after"),
    [("", "(", ")"), ("", "!", ""), ("", "[", "]"), ("", "type(", ")"), ("type", "|type", ""), ("type", "||type", "")],
)
def test_expressions_are_not_endlessly_deep(before: str, within: str, after: str) -> None:
    def of_depth(depth: int) -> str:
        return before + within * depth + ("" if before else "type") + after * depth

    assert evaluate(of_depth(DEEPEST - 1), PAYLOAD).error is None
    with pytest.raises(Invalid, match="deep"):
        parse(of_depth(DEEPEST))


@pytest.mark.parametrize("text", ["`" + "[" * 1990 + "`", "`" + "[" * 900 + "]" * 900 + "`", "`" + '{"a":' * 300 + "`"])
def test_a_literal_is_not_endlessly_deep(text: str) -> None:
    with pytest.raises(Invalid, match="arrays and objects"):
        parse(text)


DOUBLING = " | ".join(["[@, @]"] * 60)


@pytest.mark.parametrize(
    "text",
    [
        f"data | {DOUBLING} == `1`",
        f"data | to_string({DOUBLING})",
        f"data | contains({DOUBLING}, `1`)",
        f"data | max({DOUBLING})",
        "data | " + " | ".join(["[@, @][]"] * 60),
        f"join(data.custom.text, `{[''] * 300}`)".replace("'", '"'),
        "data.custom.items[?price > `-1`]",
        "data.custom.items[*].[price, price, price]",
        "map(&to_string(@), data.custom.items)",
        "sort_by(data.custom.items, &price)",
        "data.custom.items == data.custom.items",
        "data.custom.items[]",
    ],
)
def test_an_evaluation_ends_within_its_budget(text: str) -> None:
    outcome = evaluate(text, PAYLOAD)
    assert (outcome.matches, outcome.error) == (False, f"it takes more than {STEPS} steps")


def test_what_would_be_flattened_is_paid_for_before_it_is_there() -> None:
    doubled = " | ".join(["[@, @][]"] * 10)
    tracemalloc.start()
    outcome = evaluate(f"data.custom | [items, items] | {doubled} | []", PAYLOAD)  # 2,048 times 5,000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert outcome.error == f"it takes more than {STEPS} steps"
    assert peak < 10_000_000


def test_the_budget_is_the_same_each_time() -> None:
    def with_items(number: int) -> dict[str, Any]:
        return {"data": [{"price": 1}] * number}

    text = "data[?price > `0`]"
    enough = [evaluate(text, with_items(number)).error is None for number in range(0, STEPS, 50)]
    assert enough == [evaluate(text, with_items(number)).error is None for number in range(0, STEPS, 50)]
    assert enough == sorted(enough, reverse=True)
    assert {*enough} == {True, False}


@pytest.mark.parametrize("text", ["type", "data.labels", "data.custom.tags", "`0`", "type == 'x'"])
def test_a_small_value_is_shown(text: str) -> None:
    value = evaluate(text, PAYLOAD).value
    assert shown(value) == value
    json.dumps(shown(value), allow_nan=False)


@pytest.mark.parametrize(
    "text", ["data.custom.text", "data.custom.items", f"data | {DOUBLING}", "to_number('inf')", '{"\\ud800": type}']
)
def test_a_large_value_and_what_is_no_json_are_not_shown(text: str) -> None:
    outcome = evaluate(text, PAYLOAD)
    assert outcome.matches
    assert shown(outcome.value) is None


PIECES = [
    *("type", "data", "data.custom.items", "data.custom.text", "nothing", "@", "*", "[*]", "[]", "[?", "]", "[0]"),
    *("[::", "[:2]", "(", ")", "{", "}", "{a: ", ", ", ".", " && ", " || ", " | ", " == ", " < ", "!", "&", "-1"),
    *("'x'", "`1`", '`[1, "a"]`', "`{}`", '"data"', "`", "'", "=", "\\", "é", "\ud800", "\0"),
    *(f"{name}(" for name in ("length", "join", "sort_by", "map", "to_string", "to_number", "merge", "max_by", "ceil")),
    *(f"{name}(" for name in ("avg", "keys", "contains", "reverse", "not_null", "min", "abs", "none", "type", "sort")),
]


@settings(max_examples=2_000, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_any_text_is_refused_as_no_expression_or_has_an_outcome(text: str) -> None:
    outcome = evaluate(text, PAYLOAD)
    json.dumps(shown(outcome.value), allow_nan=False)
    if outcome.error is not None and outcome.error.startswith("at character"):
        with pytest.raises(Invalid) as caught:
            parse(text)
        assert 1 <= caught.value.position <= len(text) + 1
    else:
        parse(text)


EXPRESSIONS = st.recursive(
    st.sampled_from(["type", "data", "data.custom.items", "data.custom.text", "nothing", "@", "`1`", "`[]`", "'x'"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["&&", "||", "|", "==", "<", ">="]), inner).map(" ".join),
        st.tuples(inner, st.sampled_from(["[*]", "[]", ".*", "[0]", "[::2]", ".[@, @]"])).map("".join),
        st.tuples(inner, inner).map("{0[0]}[?{0[1]}]".format),
        st.builds(
            "{}({})".format, st.sampled_from(["length", "to_string", "sort", "max", "sum", "keys", "abs"]), inner
        ),
        st.builds("{}({}, {})".format, st.sampled_from(["join", "contains", "merge", "ends_with"]), inner, inner),
        st.builds("{}({}, &{})".format, st.sampled_from(["sort_by", "max_by", "min_by"]), inner, inner),
        st.builds("map(&{}, {})".format, inner, inner),
        inner.map("({})".format),
    ),
    max_leaves=12,
)


@settings(max_examples=2_000, deadline=None)
@given(EXPRESSIONS)
def test_any_expression_has_an_outcome(text: str) -> None:
    outcome = evaluate(text, PAYLOAD)
    json.dumps(shown(outcome.value), allow_nan=False)
    assert outcome == evaluate(text, PAYLOAD) or outcome.error is None


def test_a_hundred_endpoints_with_one_filter_have_it_parsed_once() -> None:
    text = "type == 'a filter that nobody else has'"
    parsed = parse(text)
    for _ in range(100):
        evaluate(text, PAYLOAD)
    assert parse(text) is parsed
    assert predicates.parse.cache_info().maxsize is not None
