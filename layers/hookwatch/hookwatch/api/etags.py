"""`ETag` and `If-Match` (RFC 9110 §8.8.3, §13.1.1): who changes what another has changed meanwhile is told so."""

import re

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from hookwatch import errors

_ETAG = re.compile(r'\s*(W/)?("[\x21\x23-\x7e]*")\s*')


def of(updated_at: str) -> str:
    return f'"{re.sub("[^0-9]", "", updated_at)}"'


def check(request: APIGatewayProxyEvent, updated_at: str) -> None:
    """That what is to be changed is what the request says that it changes, where it says so.

    Raises:
        errors.Problem: 412, it is another one by now; 422, the header cannot be read.
    """
    sent = request.headers.get("If-Match")
    if sent is None or sent.strip() == "*":
        return
    tags = [_ETAG.fullmatch(part) for part in sent.split(",")]
    if not all(tags):
        raise errors.invalid("If-Match holds no ETag.", {"loc": ["If-Match"], "msg": 'send what ETag said, "…"'})
    # A weak tag never matches (RFC 9110 §13.1.1).
    if of(updated_at) not in {tag[2] for tag in tags if tag and not tag[1]}:
        raise errors.precondition_failed()
