"""DynamoDB: one item put, updated or deleted on a condition, alone or in one transaction with what has to be there
beside it."""

import random
import time
from collections.abc import Callable, Sequence

from pynamodb.exceptions import PynamoDBException, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from hookwatch import tables

# Of a write alone, and as a reason of a transaction's (DynamoDB API, TransactWriteItems).
_FAILED = {"ConditionalCheckFailedException", "ConditionalCheckFailed"}
# Nothing was written, and soon it can be. A throttled write alone botocore tries again, and no transaction.
_PASSING = {
    "TransactionConflictException",
    "TransactionConflict",
    "ThrottlingError",
    "ProvisionedThroughputExceeded",
}
_PAUSES = (0.025, 0.05, 0.1)  # seconds


def put_if(condition: Condition, item: Model, *, beside: Sequence[Model] = ()) -> bool:
    """Whether the condition held, and the item was put, and with it what is `beside` it.

    Raises:
        PynamoDBException: DynamoDB did not do it, or did not answer.
    """
    if not beside:
        return _holds_in_the_end(lambda: item.save(condition=condition))
    return _together(item, beside, lambda transaction: transaction.save(item, condition=condition))


def update_if(
    condition: Condition, item: Model, *actions: Action, beside: Sequence[Model] = (), without: Sequence[Model] = ()
) -> bool:
    """As `put_if`; what it is then `without` is deleted. Updated alone, the item then has what is stored; a transaction
    does not tell."""
    if not beside and not without:
        return _holds_in_the_end(lambda: item.update(actions=list(actions), condition=condition))

    def change(transaction: TransactWrite) -> None:
        transaction.update(item, list(actions), condition=condition)
        for other in without:
            transaction.delete(other)

    return _together(item, beside, change)


def delete_if(condition: Condition, item: Model, *, beside: Sequence[Model] = ()) -> bool:
    """As `put_if`."""
    if not beside:
        return _holds_in_the_end(lambda: item.delete(condition=condition))
    return _together(item, beside, lambda transaction: transaction.delete(item, condition=condition))


def has_failed_condition(error: PynamoDBException) -> bool:
    """Whether a write was refused because its condition did not hold."""
    return not _FAILED.isdisjoint(_codes(error))


def code_of(error: PynamoDBException) -> str | None:
    """DynamoDB's own; None where it did not answer, of which PynamoDB (6.1) makes an AttributeError."""
    return getattr(error, "cause_response_code", None)


def _together(item: Model, beside: Sequence[Model], change: Callable[[TransactWrite], None]) -> bool:
    """What is beside the item is put without a condition: if one did not hold, it is that of the change."""

    def write() -> None:
        with TransactWrite(connection=tables.connection_of(type(item))) as transaction:
            change(transaction)
            for other in beside:
                transaction.save(other)

    return _holds_in_the_end(write)


def _holds_in_the_end(write: Callable[[], object]) -> bool:
    """Once nobody else writes the same item in the same moment."""
    for pause in _PAUSES:
        try:
            return _holds(write)
        except PynamoDBException as error:
            if _PASSING.isdisjoint(_codes(error)):
                raise
        time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  # not for secrecy
    return _holds(write)


def _holds(write: Callable[[], object]) -> bool:
    try:
        write()
    except PynamoDBException as error:
        if has_failed_condition(error):
            return False
        raise
    return True


def _codes(error: PynamoDBException) -> set[str | None]:
    reasons = error.cancellation_reasons if isinstance(error, TransactWriteError) else []
    return {code_of(error), *(reason.code for reason in reasons if reason)}
