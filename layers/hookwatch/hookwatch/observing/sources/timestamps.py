"""How old a signed webhook may be."""

from datetime import datetime, timedelta

from hookwatch import errors

TOLERANCE = timedelta(seconds=300)


def check(moment: str, now: datetime, *, otherwise: str) -> None:
    """That `moment`, in seconds since the epoch, is one and is not long ago or ahead.

    Raises:
        errors.Problem: 401; it says `otherwise` where there is no such number.
    """
    if not (moment.isascii() and moment.isdigit() and len(moment) <= 12):
        raise errors.unauthorized(otherwise)
    if abs(now.timestamp() - int(moment)) > TOLERANCE.total_seconds():
        raise errors.unauthorized("The signature is older than 300 seconds, or from the future.")
