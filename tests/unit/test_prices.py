"""The arithmetic of the benchmarks of cost: what was counted, priced."""

from typing import Any

import pytest

from tests.performance import ledger, prices
from tests.performance.prices import EU, US


def test_what_is_used_costs_its_price_and_what_has_none_costs_nothing() -> None:
    used = {"write units": 1_000_000.0, "API requests": 2_000_000.0, "calls": 9_000_000.0}

    assert prices.cost(used) == pytest.approx(0.625 + 7.0)
    assert prices.cost(used, EU) == pytest.approx(0.7625 + 7.4)


def test_everything_has_a_price_in_both_regions() -> None:
    assert all(set(of_one) == {US, EU} for of_one in (*prices.PRICES.values(), *prices.APART.values()))


@pytest.mark.parametrize(("payload", "billed"), [(0, 1), (1, 1), (65_536, 1), (65_537, 2), (262_144, 4)])
def test_a_request_of_sqs_is_billed_for_each_64_kb(payload: int, billed: int) -> None:
    assert prices.sqs_requests(payload) == billed


def test_a_count_is_scaled_to_a_million() -> None:
    assert prices.a_million({"write units": 52.0}, 10) == {"write units": 5_200_000.0}


def test_lambda_bills_memory_for_as_long_as_its_share_of_a_processor_takes_and_for_what_it_waits() -> None:
    took = prices.gb_seconds(cpu_seconds=1.0, waits=2.0, invocations=10, memory_mb=512)

    assert took == pytest.approx((1769 / 512 + 2.0 + 0.01) / 2)


def test_more_than_a_whole_processor_computes_no_faster() -> None:
    assert prices.gb_seconds(cpu_seconds=1.0, waits=0.0, invocations=0, memory_mb=2048) == pytest.approx(2.0)


def test_an_item_is_as_large_as_its_names_and_values() -> None:
    item: dict[str, dict[str, Any]] = {
        "id": {"S": "grün"},
        "n": {"N": "-123.45"},
        "b": {"B": b"12"},
        "is": {"BOOL": True},
        "l": {"L": [{"S": "a"}]},
    }

    assert ledger.item_size(item) == (2 + 5) + (1 + 4) + (1 + 2) + (2 + 1) + (1 + 3 + 1 + 1)


@pytest.mark.parametrize(
    ("operation", "asked", "answered", "units"),
    [
        ("GetItem", {"ConsistentRead": True}, {}, 1.0),
        ("GetItem", {}, {"Item": {"a": {"S": "x" * 5000}}}, 1.0),
        ("Query", {"ConsistentRead": True}, {"Items": []}, 1.0),
        ("Query", {}, {"Items": [{"a": {"S": "x" * 999}}] * 9}, 1.5),  # 9,000 bytes together are three units
        (
            "BatchGetItem",
            {"RequestItems": {"t": {"Keys": [{}, {}, {}], "ConsistentRead": True}}},
            {"Responses": {"t": [{"a": {"S": "x" * 5000}}]}},
            4.0,  # two for the one that is there, one for each that is not
        ),
    ],
)
def test_a_read_is_billed_by_what_comes_back(operation: str, asked: object, answered: object, units: float) -> None:
    assert ledger.read_units(operation, asked, answered) == units  # type: ignore[arg-type]
