"""The corpus of bad input: one good request for each route, and what can be wrong with any."""

import base64
import gzip
import json
import time
import zlib
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hookwatch import times
from tests.in_process.api import BASE, call
from tests.in_process.aws import Aws
from tests.in_process.signals import created, messages, unique
from tests.local_cloud.api import hook0_headers
from tests.openapi.answers import check

Route = tuple[str, str]

SECRET = "a-subscription-secret"
MARK = "m4rk"  # in every bad value: what of it stands in a log was logged raw


@dataclass(frozen=True, slots=True)
class Request:
    """`body` is JSON's text, or bytes, which API Gateway hands on as base64. `place` is what is bad in it."""

    method: str
    path: str
    body: str | bytes | None = None
    query: dict[str, str | list[str]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    place: str = ""

    def ask(self, aws: Aws) -> dict[str, Any]:
        is_signed = self.method == "POST" and self.path.startswith("/sources/")
        function = "ingest" if is_signed or self.path in ("/signals", "/health") else "api"
        event = aws.sample(function)
        event |= {"httpMethod": self.method, "path": BASE + self.path, "body": self.body}
        if isinstance(self.body, bytes):
            event |= {"body": base64.b64encode(self.body).decode(), "isBase64Encoded": True}
        signature = hook0_headers(
            "api.subscription.created", unique("evt"), self.content, secret=SECRET, moment=int(time.time())
        )
        query = {name: value if isinstance(value, list) else [value] for name, value in self.query.items()}
        event |= {
            "headers": event["headers"] | (signature if is_signed else {}) | self.headers,
            "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
            "multiValueQueryStringParameters": query or None,
        }
        answer: dict[str, Any] = aws.invoke(function, event)
        check(event, answer)
        return answer

    @property
    def content(self) -> bytes:
        return self.body.encode("utf-8", "surrogatepass") if isinstance(self.body, str) else self.body or b""


# ── One good request for each route ──


def good(aws: Aws, route: Route) -> Request:
    """A request that the route takes, of an application of its own."""
    method, path = route
    shop, soon = unique("shop"), times.to_text(datetime.now(UTC) + timedelta(hours=1))
    names = {"application_id": shop, "endpoint_id": "erp"}
    endpoint = (
        {"application_id": shop, "url": "https://ops.example.com/hooks", "description": "on-call", "is_enabled": True}
        | {"filter_types": ["endpoint.failing"], "filter": "data.severity == 'error'"}
        | {"message_events": "all", "rate_limit": 5}
        | {"retry": {"schedule_seconds": [1, 2]}, "headers": {"X-Token": "a-value"}, "metadata": {"team": "payments"}}
        | {"format": "pagerduty", "routing_key": "R0" * 16}
    )
    batched = endpoint | {"format": "standard", "routing_key": None}
    batched |= {"batch": {"max_events": 100, "max_wait_seconds": 60}}
    event_type = {
        "application_id": shop,
        "description": "An invoice is overdue.",
        "schema": {"type": "object", "properties": {"days": {"type": "integer"}}},
        "example": {"days": 3},
    }
    event = {"application_id": shop, "type": "invoice.overdue", "data": {"days": 3}, "timestamp": _now()} | {
        "dedup_key": "invoice 17",
        "severity": "warning",
        "summary": "Invoice 17 is overdue.",
        "endpoint_id": "erp",
    }
    mute = {"application_id": shop, "until": soon, "reason": "they move"}
    source = {"application_id": shop, "kind": "hook0", "secret": SECRET}
    replay = {"since": times.to_text(datetime.now(UTC) - timedelta(hours=1)), "until": _now()} | {
        "types": ["endpoint.failing"],
        "filter": "data.severity == 'error'",
        "only": "failed",
        "rate_per_second": 5,
        "dry_run": True,
    }
    key = {"role": "viewer", "application_ids": [shop], "description": "CI"}
    bodies: dict[Route, dict[str, Any]] = {
        ("POST", "/"): endpoint,
        ("PUT", "/{operational_endpoint_id}"): batched,
        ("PATCH", "/{operational_endpoint_id}"): endpoint,
        ("POST", "/{operational_endpoint_id}/secret/rotate"): {"grace_period_seconds": 60},
        ("POST", "/{operational_endpoint_id}/replay"): replay,
        ("POST", "/event_types/{name}"): event_type,
        ("POST", "/events"): event,
        ("POST", "/filters/test"): {"filter": "type == 'invoice.overdue'", "application_id": shop, "last": 10},
        ("POST", "/monitored_endpoints/{endpoint_id}/mute"): mute,
        ("PUT", "/policies/{application_id}"): {
            "opens_at_share": 0.5,
            "warns_after_hours": [1],
            "silent_after_days": 3,
        },
        ("POST", "/signals"): {"application_id": shop, "signals": [_attempt(), _change()]},
        ("POST", "/sources"): source,
        ("POST", "/sources/{source_id}"): _subscription(shop),
        ("POST", "/keys"): key,
    }
    if "{operational_endpoint_id}" in path:
        names["operational_endpoint_id"] = call(aws, "POST", "/", endpoint)[1]["operational_endpoint_id"]
    if "{name}" in path or path == "/events":
        names["name"] = "invoice.overdue"
        call(aws, "POST", "/event_types/invoice.overdue", event_type)
    if "{event_id}" in path:
        call(aws, "POST", "/event_types/invoice.overdue", event_type)
        names["event_id"] = call(aws, "POST", "/events", event)[1]["event_id"]
    if "{replay_id}" in path:
        name = call(aws, "POST", "/", endpoint)[1]["operational_endpoint_id"]
        names["replay_id"] = call(aws, "POST", f"/{name}/replay", replay)[1]["replay_id"]
    if path == "/events/{event_id}/resend":
        told = call(aws, "POST", "/", endpoint | {"format": "standard", "routing_key": None})[1]
        bodies[route] = {"operational_endpoint_id": told["operational_endpoint_id"]}
    if "{source_id}" in path:
        names["source_id"] = call(aws, "POST", "/sources", source)[1]["source_id"]
    if "{key_id}" in path:
        names["key_id"] = call(aws, "POST", "/keys", key)[1]["key_id"]
    if path.startswith("/monitored_endpoints/"):
        aws.invoke("observer", {"Records": messages(shop, created("erp"))})
        call(aws, "POST", "/monitored_endpoints/erp/mute", mute)
    if path.endswith("/deletion"):
        call(aws, "DELETE", f"/applications/{shop}")
    takes_a_body = method in ("POST", "PUT", "PATCH") and path != "/{operational_endpoint_id}/test"
    body = json.dumps(bodies[route]) if takes_a_body else None
    query: dict[str, str | list[str]] = {} if body or "{operational_endpoint_id}" in path else {"application_id": shop}
    query |= {"strict": "true"} if path == "/signals" else {}
    return Request(method, path.format_map(names), body, query)


def _attempt() -> dict[str, Any]:
    return (
        {"type": "message.attempt", "endpoint_id": "erp", "message_id": "m1", "attempt_number": 1, "outcome": "failed"}
        | {"attempted_at": _now(), "response_status_code": 503, "error": "other", "duration_ms": 812}
        | {"will_retry": True, "max_attempts": 5, "trigger": "scheduled"}
    )


def _change() -> dict[str, Any]:
    url = "https://erp.example.com/hooks"
    return (
        {"type": "endpoint.updated", "endpoint_id": "erp", "occurred_at": _now(), "url": url, "description": "ERP"}
        | {"labels": {"tier": "gold"}, "is_enabled": True, "changes": {"url": {"from": f"{url}/1", "to": url}}}
        | {"actor": "user:42", "trigger": "manual", "reason": "moved"}
    )


def _subscription(shop: str) -> dict[str, Any]:
    return (
        {"application_id": shop, "subscription_id": "erp", "is_enabled": True, "event_types": ["invoice.paid"]}
        | {"description": "ERP", "labels": {"tier": "gold"}, "target": {"url": "https://erp.example.com/hooks"}}
        | {"created_at": _now(), "updated_at": _now()}
    )


def _now() -> str:
    return times.to_text(datetime.now(UTC))


# ── What a body can be instead of JSON, by what is wrong with it; of any route that takes one ──

_OBJECT = json.dumps({"application_id": MARK})
NO_JSON: dict[str, str | bytes] = {
    "empty": "",
    "spaces": "  ",
    "broken": '{"application_id": "' + MARK,
    "a second document": _OBJECT + _OBJECT,
    "a comment": "/* " + MARK + " */ {}",
    "single quotes": "{'application_id': '" + MARK + "'}",
    "a trailing comma": '{"application_id": "' + MARK + '",}',
    "a control character in a text": '{"application_id": "' + MARK + '\x01"}',
    "NUL": "\0" + _OBJECT,
    "half a pair": _OBJECT[:-2] + '\ud800"}',
    "no UTF-8": b'{"application_id": "' + MARK.encode() + b'\xff\xfe"}',
    "Latin-1": json.dumps({"application_id": MARK + "é"}, ensure_ascii=False).encode("latin-1"),
    "UTF-16": _OBJECT.encode("utf-16"),
    "UTF-32": _OBJECT.encode("utf-32"),
    "a byte order mark": "\ufeff" + _OBJECT,
    "overlong UTF-8": b'{"application_id": "' + MARK.encode() + b'\xc0\x80"}',
    "surrogates in UTF-8": b'{"application_id": "' + MARK.encode() + b'\xed\xa0\x80"}',
    "gzip that nobody announced": gzip.compress(_OBJECT.encode()),
    "a form": f"application_id={MARK}",
    "XML": f"<a>{MARK}</a>",
    "a picture": b"\x89PNG\r\n\x1a\n" + MARK.encode(),
    "open arrays": "[" * 100_000,
    "nested arrays": "[" * 50_000 + "]" * 50_000,
    "nested objects": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "10,000 digits": '{"application_id": ' + "9" * 10_000 + "}",
    "an array": f'["{MARK}"]',
    "an array of an object": f"[{_OBJECT}]",
    "null": "null",
    "a text": f'"{MARK}"',
    "a number": "7",
    "true": "true",
    "NaN": "NaN",
}

# ── What a value can be instead of what it should be, as JSON's text ──

TEXTS = {
    "half a pair": f'"{MARK}\\ud800"',
    "the other half": f'"\\udfff{MARK}"',
    "NUL": f'"{MARK}\\u0000"',
    "an escape sequence": f'"{MARK}\\u001b[31m"',
    "CR LF": f'"{MARK}\\r\\nX-Injected: yes"',
    "a megabyte": f'"{MARK}' + "x" * 900_000 + '"',
    "nothing": '""',
}
NUMBERS = {
    "a fraction": "1.5",
    "1.0": "1.0",
    "-0": "-0",
    "-1": "-1",
    "2**63": str(2**63),
    "2**1000": str(2**1000),
    "1e400": "1e400",
    "-1e400": "-1e400",
    "NaN": "NaN",
    "Infinity": "Infinity",
    "a number as text": '"7"',
}
KINDS = {
    "a number": "7",
    "a bool": "true",
    "an array": f'[["{MARK}"]]',
    "an object": f'{{"{MARK}": {{}}}}',
    "deep": "[" * 500 + "]" * 500,
    "deep objects": '{"a":' * 500 + "1" + "}" * 500,
}
# Names that are added to an object.
NAMES = {
    "an unknown name": f'"{MARK}": 1',
    "half a pair for a name": f'"{MARK}\\ud800": "a"',
    "NUL in a name": f'"{MARK}\\u0000": "a"',
    "CR LF in a name": f'"{MARK}\\r\\nX-Injected": "a"',
    "a name of a megabyte": f'"{MARK}' + "x" * 900_000 + '": "a"',
    "20,000 names": ", ".join(f'"{MARK}{number}": "a"' for number in range(20_000)),
}


def with_bad_values(request: Request) -> Iterator[Request]:
    """The request, with each value of its body in turn as each of what it could be instead."""
    document = json.loads(request.content)
    for path in _paths(document):
        value = _at(document, path)
        instead: dict[str, str] = {}
        if isinstance(value, str):
            instead = TEXTS | KINDS
        elif isinstance(value, bool):
            instead = KINDS | NUMBERS
            del instead["a bool"]
        elif isinstance(value, int | float):
            instead = KINDS | NUMBERS
            del instead["a number"]
        elif isinstance(value, dict | list):
            instead = {"a text": f'"{MARK}"'} | KINDS
        for name, text in instead.items():
            yield replace(request, body=_replaced(document, path, text), place=f"{_dotted(path)}: {name}")
        if isinstance(value, dict):
            for name, text in NAMES.items():
                members = json.dumps(value)[:-1] + ", " * bool(value) + text + "}"
                yield replace(request, body=_replaced(document, path, members), place=f"{_dotted(path)}: {name}")
    for name, text in NAMES.items():
        yield replace(request, body=f"{json.dumps(document)[:-1]}, {text}}}", place=f": {name}")


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield (*path, name)
        yield from _paths(member, (*path, name))


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    for name in path:
        value = value[name]
    return value


def _replaced(document: Any, path: tuple[str | int, ...], text: str) -> str:
    copy = deepcopy(document)
    _at(copy, path[:-1])[path[-1]] = "<here>"
    return json.dumps(copy).replace('"<here>"', text)


def _dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(map(str, path))


# ── Parameters and headers ──

_MOMENTS = (
    *(
        "yesterday",
        "",
        "2026-13-01T00:00:00Z",
        "2026-11-23T10:00:00",
        "0000-00-00T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
    ),
    *("0001-01-01T00:00:00+01:00", "10000-01-01T00:00:00Z", "9" * 5000, "1e400", "NaN", "\0", MARK, "\ud800"),
)
PARAMETERS = {
    "limit": ("0", "101", "1001", "-1", "abc", "1e3", "1.5", "", " ", "0x10", "NaN", "9" * 5000, "1,2", "\0", MARK),
    "cursor": (
        "",
        "%%%",
        "é",
        "\0",
        "W10=",
        "WyJhIl0=",
        "bnVsbA==",
        "=" * 8,
        "WyJcdWQ4MDAiLCJhIl0=",
        MARK,
        MARK * 1000,
    ),
    "since": _MOMENTS,
    "until": _MOMENTS,
    "status": ("", "tired", "\0", MARK),
    "state": ("", "tired", "\0", MARK),
    "action": ("", "tired", "key", "\0", MARK),
    "granularity": ("", "minute", "\0", MARK),
}
TEXT_PARAMETERS = ("", " ", "..", "a/b", "%00", "\0", f"{MARK}\r\nX-Injected: yes", "é", "x" * 3000, "\ud800", "**")
# Any printable ASCII is an id to somebody; the rest is none.
IDS_OF_SOMEBODY = ("..", ".", "%2e%2e", "%2F", "a%2Fb", "%00", "'", "{}", "<script>", "$ne", ";")
IDS = (
    *IDS_OF_SOMEBODY,
    *("\0", f"{MARK}\r\nX-Injected: yes", "é", "\u202e", "\ud800", MARK + "x" * 253, "x" * 3000),
    *("a/b", "a//b", "a b", "*", "../keys/admin", "?"),
)
IDEMPOTENCY_KEYS = ("", " ", "a b", "é", "\0", f"{MARK}\r\nX-Injected: yes", "x" * 256, "\x7f", "\ud800", "\u202e")
ETAGS = ("", "1", '"1" "2"', f'"{MARK}\r\nX-Injected: yes"', '"\0"', "\ud800", '"é"', ",", '"1",', '"' * 5001)
MEDIA_TYPES = (
    *("text/plain", "application/xml", "application/x-www-form-urlencoded", "application/jsonp", "*/*"),
    *("multipart/form-data", "multipart/form-data; boundary=x", "multipart/form-data; boundary="),
    *("application/json; charset=utf-16", "application/json;charset=iso-8859-1", "application/x-ndjson"),
    *(f"{MARK}\r\nX-Injected: yes", "\0", "é", "\ud800"),
)


def gzip_bomb() -> bytes:
    """About a megabyte that inflates to a gigabyte: a megabyte of zeros, packed once and written a thousand times."""
    packer = zlib.compressobj(level=9, wbits=-zlib.MAX_WBITS)
    block = packer.compress(bytes(1_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff" + block * 1000 + b"\x03\x00" + bytes(8)
