"""DELETE /applications/{application_id}, and each minute → every table."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from pynamodb.models import Model

from hookwatch import tables, times
from hookwatch.erasing import deletions
from tests.in_process import everything
from tests.in_process.api import call
from tests.in_process.auditing import BY_A_TEST
from tests.in_process.aws import Aws
from tests.in_process.erasing import (
    SETTLED,
    STAYS,
    TABLES,
    before_call,
    delete,
    delete_and_erase,
    deletion,
    erase,
    left,
)
from tests.in_process.invoking import Context
from tests.in_process.signals import attempt, messages, unique
from tests.integration.test_authorizer import authorize
from tests.integration.test_observer import observe
from tests.integration.test_template import RESOURCES, statements
from tests.local_cloud.receiver import Receiver

pytestmark = pytest.mark.usefixtures("nothing_else_is_under_way")


# ── Complete ──


def test_every_table_holds_something_and_then_nothing_of_it_and_another_application_loses_nothing(
    aws: Aws, receiver: Receiver
) -> None:
    shop, other = unique("shop"), unique("other")
    own = everything.fill(aws, shop, receiver.url, shared_with=other)
    others = everything.fill(aws, other, receiver.url, shared_with=unique("third"))
    # A table that is new has to be filled here, and to be erased, or is one of those that stay.
    assert set(left(aws, own)) == TABLES - STAYS
    before, number = left(aws, others), sum(map(len, left(aws, own).values()))

    answer = delete_and_erase(aws, shop)
    assert left(aws, own) == {}
    assert (answer["state"], answer["deleted_items"]) == ("deleted", number - 1)  # one key is the other's too
    assert times.from_text(answer["finished_at"]) > times.from_text(answer["requested_at"])

    [shared] = [item for item in before["ApiKey"] if item["key_id"]["S"] == own.shared_key]
    assert shared["application_ids"] == {"L": [{"S": other}, {"S": shop}]}
    shared["application_ids"] = {"L": [{"S": other}]}
    assert left(aws, others) == before
    delete_and_erase(aws, other)


def test_the_eraser_may_erase_each_table_that_an_application_is_in_and_no_other() -> None:
    allowed = {
        resource["Fn::GetAtt"][0]
        for statement in statements(RESOURCES["Eraser"]["Properties"])
        if statement["Action"] == "dynamodb:BatchWriteItem"
        for resource in statement["Resource"]
    }
    assert allowed == TABLES - STAYS - {"ApiKey"}


def test_an_application_of_which_nothing_is_known_is_deleted_too(aws: Aws) -> None:
    assert delete_and_erase(aws, unique("shop"))["deleted_items"] == 0


# ── Asking ──


def test_asked_again_it_is_the_same_deletion_and_once_it_is_over_another(aws: Aws) -> None:
    shop = unique("shop")
    first = delete(aws, shop, key_id="k1")
    assert first == {
        "application_id": shop,
        "state": "deleting",
        "requested_at": first["requested_at"],
        "requested_by": "key:k1",
        "deleted_items": 0,
        "finished_at": None,
    }
    assert delete(aws, shop, key_id="k2") == first
    erase(aws)
    assert delete(aws, shop) == deletion(aws, shop) == first
    erase(aws, SETTLED)
    done = deletion(aws, shop)
    assert done | {"state": "deleting", "finished_at": None} == first
    erase(aws, 2 * SETTLED)
    assert deletion(aws, shop) == done
    anew = delete(aws, shop, key_id="k3")
    assert (anew["state"], anew["requested_by"]) == ("deleting", "key:k3")


def test_two_who_ask_in_the_same_moment_get_the_same_deletion(aws: Aws) -> None:
    shop, now = unique("shop"), times.now()
    asked: list[deletions.Deletion] = []

    def another() -> None:
        asked.append(deletions.ask(shop, now, replace(BY_A_TEST, actor="key:k2")))

    with before_call(tables.Application, "TransactWriteItems", another):
        assert deletions.ask(shop, now, replace(BY_A_TEST, actor="key:k1")) == asked[0]
    assert deletion(aws, shop)["requested_by"] == "key:k2"


def test_one_application_is_named_and_only_who_administers_it_may(aws: Aws) -> None:
    shop = unique("shop")
    status, problem = call(aws, "DELETE", "/applications/*")
    assert (status, problem["errors"][0]["loc"]) == (422, ["application_id"])
    assert call(aws, "GET", f"/applications/{shop}/deletion")[0] == 404
    for method, path in (("DELETE", ""), ("GET", "/deletion"), ("GET", "/export")):
        assert call(aws, method, f"/applications/{shop}{path}", applications="another")[0] == 404
        assert call(aws, method, f"/applications/{shop}{path}", role="editor")[0] == 403
    assert call(aws, "GET", f"/applications/{shop}/deletion")[0] == 404  # nothing has begun


def test_that_it_was_deleted_is_told_for_thirty_days(aws: Aws) -> None:
    shop = unique("shop")
    delete_and_erase(aws, shop)
    [item] = tables.Application.query(shop)
    assert item.swept_with is None
    assert (
        timedelta(0) <= datetime.fromtimestamp(item.expires_at, UTC) - times.now() - timedelta(days=29) < SETTLED * 96
    )
    known = deletions.find(shop)
    assert known
    past = msgspec.structs.replace(known, finished_at=times.now() - timedelta(days=30, seconds=1))
    assert deletions.replace(shop, known, past)
    assert call(aws, "GET", f"/applications/{shop}/deletion")[0] == 404  # though DynamoDB still has it
    assert delete(aws, shop)["state"] == "deleting"


# ── Keys ──


def test_a_key_of_it_alone_is_refused_at_once_and_one_for_two_is_the_others(aws: Aws) -> None:
    shop, other = unique("shop"), unique("other")
    given = [
        call(aws, "POST", "/keys", {"role": "admin", "application_ids": application_ids})[1]
        for application_ids in ([shop], [other, shop], [other], ["*"])
    ]
    delete(aws, shop, applications=shop, key_id=given[0]["key_id"])
    erase(aws)
    contexts = [authorize(aws, f"Bearer {key['key']}")["context"].get("applications") for key in given]
    assert contexts == [None, other, other, "*"]


def test_a_key_for_two_that_are_both_deleted_is_deleted(aws: Aws) -> None:
    shop, other = unique("shop"), unique("other")
    key = call(aws, "POST", "/keys", {"role": "admin", "application_ids": [shop, other]})[1]
    delete(aws, other)
    with before_call(tables.ApiKey, "UpdateItem", lambda: erase(aws)):  # the one, in the midst of the other
        delete_and_erase(aws, shop)
    assert call(aws, "GET", f"/keys/{key['key_id']}")[0] == 404


# ── Time ──


class Clock(Context):
    """Of a function that has so many looks at it until its time is up."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._left = looks

    def get_remaining_time_in_millis(self) -> int:
        self._left -= 1
        return 30_000 if self._left >= 0 else 5_000


def test_when_the_time_is_up_the_next_minute_goes_on(
    aws: Aws, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hookwatch.erasing.passes._REMEMBERED_TOGETHER", 2)
    monkeypatch.setattr("hookwatch.erasing.passes._BATCH", 3)
    shop = unique("shop")
    own = everything.fill(aws, shop, receiver.url, shared_with=unique("other"))
    delete(aws, shop)
    erase(aws, context=Clock(looks=1))  # to see that there is none
    numbers = [deletion(aws, shop)["deleted_items"]]
    for minute in range(40):
        erase(aws, timedelta(minutes=minute), Clock(looks=4))
        numbers.append(deletion(aws, shop)["deleted_items"])
    assert numbers == sorted(numbers)
    assert len(set(numbers)) > 4
    assert (left(aws, own), deletion(aws, shop)["state"]) == ({}, "deleted")


def test_a_large_application_does_not_hold_up_a_small_one(aws: Aws) -> None:
    large, small = "0" + unique("large"), unique("small")
    for number in range(30):
        tables.Application(large, f"minute#{number}", attempts=1).save()
    tables.Application(small, "minute#1", attempts=1).save()
    for shop in (large, small):
        delete(aws, shop)

    class Half(Context):
        """The large one's share is over after its first batch."""

        times = iter([30_000, 29_000, 19_000])

        def get_remaining_time_in_millis(self) -> int:
            return next(self.times, 19_000)

    erase(aws, context=Half())
    assert [deletion(aws, shop)["deleted_items"] for shop in (large, small)] == [25, 1]


def test_a_deletion_that_cannot_be_read_stops_nobody_elses(aws: Aws) -> None:
    broken, shop = "0" + unique("broken"), unique("shop")
    for name in (broken, shop):
        delete(aws, name)
    table = tables.Application
    table(broken, "deletion").update(actions=[table.deletion.set("no deletion")])
    with aws.log_of("eraser") as log:
        erase(aws)
        erase(aws, SETTLED)
    assert deletion(aws, shop)["state"] == "deleted"
    assert [msgspec.json.decode(line)["level"] for line in log.getvalue().splitlines() if broken in line] == [
        "ERROR"
    ] * 2


def test_with_nothing_to_delete_it_asks_one_query(aws: Aws) -> None:
    asked: list[str] = []
    models = [model for model in vars(tables).values() if isinstance(model, type) and hasattr(model, "Meta")]
    clients = [model._get_connection().connection.client for model in models if issubclass(model, Model)]

    def note(model: Any, **_: Any) -> None:
        asked.append(model.name)

    for client in clients:
        client.meta.events.register("before-call.dynamodb", note)
    erase(aws)
    for client in clients:
        client.meta.events.unregister("before-call.dynamodb", note)
    assert asked == ["Query"]


def test_each_run_logs_a_line_of_each_deletion_with_its_counts(aws: Aws) -> None:
    shop = unique("shop")
    observe(aws, *messages(shop, attempt("erp", 0, succeeded=True)))
    delete(aws, shop)
    with aws.log_of("eraser") as log:
        erase(aws)
        erase(aws)  # it settles
        erase(aws, SETTLED)
    lines = [msgspec.json.decode(line) for line in log.getvalue().splitlines() if shop in line]
    assert [(line["items"], line["items_so_far"], line["state"]) for line in lines] == [
        (3, 3, "deleting"),
        (0, 3, "deleted"),
    ]


def test_the_sample_erases(aws: Aws) -> None:
    shop = unique("shop")
    delete(aws, shop)
    aws.invoke("eraser", aws.sample("eraser"))
    known = deletions.find(shop)
    assert known
    assert known.first_pass_ended_at
