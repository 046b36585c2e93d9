"""Slack: a message for an incoming webhook, in blocks (Block Kit: 3000 characters a section, 2000 a field, 10 fields,
10 elements a context).

What others wrote is escaped, so that it mentions nobody and is no link, and `verbatim`, so that Slack makes it none.
"""

import re
from typing import Any

_SECTION_AT_MOST, _FIELD_AT_MOST, _ELEMENTS_AT_MOST = 3000, 2000, 10
_ICONS = {
    "info": ":large_blue_circle:",
    "warning": ":warning:",
    "error": ":red_circle:",
    "critical": ":rotating_light:",
}
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def render(_event_id: str, payload: dict[str, Any]) -> dict[str, Any]:
    data = payload["data"]
    head = f"{_ICONS[data['severity']]} {_escaped(payload['type'], 300)}"
    summary = _escaped(data["summary"], _SECTION_AT_MOST)
    named = {
        "Application": data["application_id"],
        "Endpoint": data.get("endpoint_id"),
        "Severity": data["severity"],
        "Time": payload["timestamp"],
    }
    fields = [_text(f"*{name}*\n{_escaped(value, _FIELD_AT_MOST - 20)}") for name, value in named.items() if value]
    links = [
        _text(f"<{_link(link)}|{_escaped(name, 200)}>")
        for name, link in list(data["links"].items())[: _ELEMENTS_AT_MOST - 1]
        if len(_link(link)) <= _FIELD_AT_MOST
    ]
    key = _text(_escaped(data["dedup_key"], _FIELD_AT_MOST))
    return {
        "text": f"{head}: {summary}",
        "blocks": [
            {"type": "section", "text": _text(f"*{head}*")},
            {"type": "section", "text": _text(summary), "fields": fields},
            {"type": "context", "elements": [*links, key]},
        ],
    }


def _text(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _escaped(text: str, at_most: int) -> str:
    """Escaped as Slack wants it, and cut to `at_most` characters between two escapes."""
    escaped = _escape(text)
    return escaped if len(escaped) <= at_most else re.sub(r"&[a-z]*$", "", escaped[: at_most - 1]) + "…"


def _link(link: str) -> str:
    return _escape(link).replace("|", "%7C")


def _escape(text: str) -> str:
    return text.translate(_ESCAPES)
