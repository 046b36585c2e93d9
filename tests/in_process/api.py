"""Requests to the api function, as API Gateway hands them on."""

import json
from typing import Any

from tests.in_process.aws import Aws
from tests.openapi.answers import check

BASE = "/api/v1/operational_webhooks"


def call(aws: Aws, method: str, path: str, body: Any = None, **arguments: Any) -> tuple[int, dict[str, Any]]:
    """(status, body). `arguments` as of `ask`."""
    answer = ask(aws, method, path, body, **arguments)
    return answer["statusCode"], json.loads(answer["body"]) if answer["body"] else {}


def ask(
    aws: Aws,
    method: str,
    path: str,
    body: Any = None,
    *,
    applications: str = "*",
    role: str = "admin",
    key_id: str = "admin",
    idempotency_key: str = "",
    headers: dict[str, str] | None = None,
    **query: str,
) -> dict[str, Any]:
    """The whole answer, which is one that is documented. `applications`, `role` and `key_id` are those of the key."""
    event = aws.sample("api") | {
        "httpMethod": method,
        "path": BASE + path,
        "body": body if body is None or isinstance(body, str) else json.dumps(body),
        "queryStringParameters": query or None,
        "multiValueQueryStringParameters": {name: [value] for name, value in query.items()} or None,
    }
    event["headers"] |= {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    event["headers"] |= headers or {}
    event["requestContext"]["authorizer"] |= {"applications": applications, "role": role, "key_id": key_id}
    answer: dict[str, Any] = aws.invoke("api", event)
    check(event, answer)
    return answer
