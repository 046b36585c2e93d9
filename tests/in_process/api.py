"""Requests to the api function, as API Gateway hands them on."""

import json
from typing import Any

from tests.in_process.aws import Aws

BASE = "/api/v1/operational_webhooks"


def call(
    aws: Aws,
    method: str,
    path: str,
    body: Any = None,
    *,
    applications: str = "*",
    idempotency_key: str = "",
    **query: str,
) -> tuple[int, dict[str, Any]]:
    """(status, body). `applications` are those of the key."""
    event = aws.sample("api") | {
        "httpMethod": method,
        "path": BASE + path,
        "body": body if body is None or isinstance(body, str) else json.dumps(body),
        "queryStringParameters": query or None,
        "multiValueQueryStringParameters": {name: [value] for name, value in query.items()} or None,
    }
    if idempotency_key:
        event["headers"]["Idempotency-Key"] = idempotency_key
    event["requestContext"]["authorizer"]["applications"] = applications
    answer = aws.invoke("api", event)
    return answer["statusCode"], json.loads(answer["body"]) if answer["body"] else {}
