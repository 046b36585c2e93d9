"""How an operational event lies in its table, and comes out of its stream."""

from datetime import UTC, datetime

import pytest

from hookwatch import event_items
from hookwatch.catalogue import CATALOGUE
from hookwatch.operational_events import OperationalEvent
from tests.in_process.invoking import inserted
from tests.performance.ledger import item_size

KILOBYTE = 1024  # what DynamoDB bills a write by


def event(type_: str) -> OperationalEvent:
    return OperationalEvent(
        event_id="evt_00112233445566778899aabbccddeeff",
        application_id="9f0d8c2a-1234-4f00-8000-123456789abc",
        type=type_,
        timestamp=datetime(2026, 11, 23, 10, tzinfo=UTC),
        data=CATALOGUE[type_].example["data"],
    )


@pytest.mark.parametrize("type_", CATALOGUE)
def test_every_event_comes_out_of_its_item_and_of_its_stream_as_it_went_in(type_: str) -> None:
    item = event_items.to_item(event(type_), expires_at=1)

    assert event_items.from_item(item) == event(type_)
    assert event_items.from_image(inserted(item.serialize())["dynamodb"]["NewImage"]) == event(type_)


@pytest.mark.parametrize("type_", CATALOGUE)
def test_every_event_of_the_catalogue_is_written_as_one_kilobyte(type_: str) -> None:
    assert item_size(event_items.to_item(event(type_), expires_at=1).serialize()) <= KILOBYTE


def test_what_an_earlier_version_wrote_is_read() -> None:
    item = event_items.to_item(event("endpoint.failing"), expires_at=1)
    assert item.packed_data
    item.data, item.packed_data = '{"endpoint_id":"erp"}', None

    assert event_items.from_item(item).data == {"endpoint_id": "erp"}


@pytest.mark.parametrize("packed", [b"", b"no zlib", b"x\x9c\x03\x00"])
def test_what_cannot_be_unpacked_is_malformed(packed: bytes) -> None:
    item = event_items.to_item(event("endpoint.failing"), expires_at=1)
    item.packed_data = packed

    with pytest.raises(event_items.MALFORMED):
        event_items.from_item(item)
