from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hookwatch.observing.counting import Counted, Message, Receiving
from hookwatch.observing.signals import digest
from tests.unit.factories import at, report, success

RECEIVING = Receiving(visibility=timedelta(seconds=60), receives=3)
QUEUE = "arn:aws:sqs:eu-central-1:123456789012:Signals.fifo"


def message(number: int, name: str | None = None, *, receives: int = 1, queue_arn: str = QUEUE) -> Message:
    """`number` gives the sequence number, `name` (where it is another) the report."""
    return Message(
        message_id=f"{queue_arn} {number}",
        report=report(success(0), report_id=digest(name or str(number))),
        queue_arn=queue_arn,
        sequence_number=10**30 + number,
        receives=receives,
    )


def test_nothing_is_counted_at_first() -> None:
    assert not Counted().has(message(1))


def test_a_message_at_or_before_the_position_is_counted() -> None:
    counted = Counted().plus([message(5)], at(0), RECEIVING)

    assert counted.has(message(5, "redelivered"))
    assert counted.has(message(4, "an earlier one"))
    assert not counted.has(message(6))


def test_messages_counted_together_are_all_counted() -> None:
    counted = Counted().plus([message(1), message(2), message(3)], at(0), RECEIVING)

    assert all(counted.has(message(number)) for number in (1, 2, 3))
    assert all(counted.has(message(number + 10, str(number))) for number in (1, 2, 3))


def test_a_position_of_128_bits_is_kept_in_full() -> None:
    last = replace(message(1), sequence_number=2**128 - 1)
    counted = msgspec.json.decode(
        msgspec.json.encode(Counted().plus([last], at(0), RECEIVING)),
        type=Counted,
    )

    assert counted.has(replace(message(2), sequence_number=2**128 - 1))
    assert not counted.has(replace(message(2), sequence_number=2**128))


def test_a_redriven_message_that_was_counted_on_its_last_receive_is_recognised() -> None:
    counted = Counted().plus([message(1, receives=3)], at(0), RECEIVING)

    assert counted.has(message(99, "1"))


def test_it_is_recognised_after_many_later_messages_too() -> None:
    counted = Counted().plus([message(1, receives=3)], at(0), RECEIVING)
    for number in range(2, 1000):
        counted = counted.plus([message(number)], at(60 + number), RECEIVING)

    assert counted.has(message(1001, "1"))
    assert len(counted.in_doubt) == 1


@pytest.mark.parametrize("receives", [1, 2, 3])
def test_an_id_is_kept_when_the_group_moves_on_no_sooner_than_it_could_have_been_dead_lettered(receives: int) -> None:
    moved_on = at(60 * max(0, 2 - receives))
    counted = Counted().plus([message(1, receives=receives)], at(0), RECEIVING)

    assert counted.plus([message(2)], moved_on, RECEIVING).has(message(9, "1"))


def test_an_id_is_forgotten_when_the_group_moved_on_sooner() -> None:
    counted = Counted().plus([message(1)], at(0), RECEIVING).plus([message(2)], at(59), RECEIVING)

    assert counted.in_doubt == {}
    assert not counted.has(message(9, "1"))
    assert counted.has(message(9, "2"))


def test_the_message_with_the_fewest_receives_left_decides_for_those_counted_with_it() -> None:
    together = [message(1, receives=3), message(2, receives=1)]
    counted = Counted().plus(together, at(0), RECEIVING).plus([message(3)], at(1), RECEIVING)

    assert counted.has(message(9, "1"))


def test_ids_are_forgotten_when_sqs_can_hold_their_messages_no_longer() -> None:
    counted = Counted().plus([message(1, receives=3)], at(0), RECEIVING).plus([message(2)], at(60), RECEIVING)
    window, hour = timedelta(days=15), timedelta(hours=1)

    assert counted.plus([message(3)], at(0) + window - hour, RECEIVING).has(message(9, "1"))
    assert not counted.plus([message(3)], at(0) + window + hour, RECEIVING).has(message(9, "1"))


def test_a_replaced_queue_counts_from_its_own_beginning() -> None:
    counted = Counted().plus([message(1000)], at(0), RECEIVING)
    first = message(1, "first", queue_arn="arn:new")

    assert not counted.has(first)
    assert counted.plus([first], at(1), RECEIVING).has(first)
    assert not counted.plus([first], at(1), RECEIVING).has(message(2, queue_arn="arn:new"))


def test_a_message_that_moved_to_a_replacing_queue_is_recognised() -> None:
    counted = Counted().plus([message(1000, "it", receives=3)], at(0), RECEIVING)

    assert counted.has(message(1, "it", queue_arn="arn:new"))


def test_a_message_that_the_old_queue_still_holds_is_recognised_after_one_of_the_new_queue() -> None:
    counted = Counted().plus([message(1000, "it")], at(0), RECEIVING)
    counted = counted.plus([message(1, queue_arn="arn:new")], at(1), RECEIVING)

    assert counted.has(message(1000, "it"))


@dataclass
class Group:
    """One message group of a FIFO queue, its dead letters, and how often each report was counted.

    It hands out a prefix of what it holds, and nothing more until that was acknowledged or its visibility has ended.
    What was received `receives` times is dead-lettered when it would be handed out once more.
    """

    now: float = 0
    sent: int = 0
    numbered: int = 0
    held: list[Message] = field(default_factory=list)
    dead: list[Message] = field(default_factory=list)
    counted: Counted = field(default_factory=Counted)
    tally: Counter[str] = field(default_factory=Counter)

    def send(self, message_: Message | None = None) -> None:
        self.numbered += 1
        if message_ is None:
            self.sent += 1
            self.held.append(message(self.numbered, f"report {self.sent}", receives=0))
        else:
            self.held.append(
                replace(message_, message_id=str(self.numbered), sequence_number=10**30 + self.numbered, receives=0)
            )

    def redrive(self) -> None:
        dead, self.dead = self.dead, []
        for message_ in dead:
            self.send(message_)

    def hand_out(self, at_most: int, *, is_counted: bool, is_acknowledged: bool, after: float) -> None:
        while spent := [message_ for message_ in self.held[:at_most] if message_.receives == RECEIVING.receives]:
            self.dead += spent
            self.held = [message_ for message_ in self.held if message_ not in spent]
        batch = [replace(message_, receives=message_.receives + 1) for message_ in self.held[:at_most]]
        self.held[:at_most] = batch
        if is_counted:
            fresh = [message_ for message_ in batch if not self.counted.has(message_)]
            if fresh:
                self.counted = self.counted.plus(batch, at(self.now + after), RECEIVING)
                self.tally.update(message_.report.id for message_ in fresh)
        if is_counted and is_acknowledged:
            del self.held[: len(batch)]
            self.now += after
        else:
            self.now += RECEIVING.visibility.total_seconds()

    def drain(self, at_most: int) -> None:
        while self.held or self.dead:
            self.redrive()
            self.hand_out(at_most, is_counted=True, is_acknowledged=True, after=1)


Step = tuple[str, int, float]
# What happens, to how many messages, and how many seconds it takes.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 3), st.just(0.0)),
        st.tuples(
            st.sampled_from(["done", "lost", "lost", "killed"]), st.integers(1, 3), st.sampled_from([0.0, 1, 59])
        ),
        st.tuples(st.sampled_from(["wait", "redrive"]), st.just(1), st.sampled_from([1.0, 60, 7200])),
    ),
    max_size=40,
)


def count(steps: list[Step], handed_out_at_most: int) -> Group:
    group = Group()
    for step, size, seconds in steps:
        match step:
            case "send":
                for _ in range(size):
                    group.send()
            case "wait":
                group.now += seconds
            case "redrive":
                group.now += seconds
                group.redrive()
            case _:
                group.hand_out(
                    min(size, handed_out_at_most),
                    is_counted=step != "killed",
                    is_acknowledged=step == "done",
                    after=seconds,
                )
    group.drain(handed_out_at_most)
    return group


@settings(deadline=None, max_examples=300)
@given(STEPS)
def test_each_report_is_counted_exactly_once_when_messages_are_handed_out_one_by_one(steps: list[Step]) -> None:
    group = count(steps, handed_out_at_most=1)

    assert len(group.tally) == group.sent
    assert set(group.tally.values()) <= {1}


@settings(deadline=None, max_examples=300)
@given(STEPS)
@example([("send", 1, 0.0), ("lost", 1, 0.0), ("send", 1, 0.0), ("lost", 2, 0.0), ("lost", 2, 0.0), ("lost", 2, 0.0)])
def test_each_report_is_counted_exactly_once_when_messages_are_handed_out_together(steps: list[Step]) -> None:
    group = count(steps, handed_out_at_most=3)

    assert len(group.tally) == group.sent
    assert set(group.tally.values()) <= {1}
