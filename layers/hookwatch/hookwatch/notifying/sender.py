"""One HTTPS POST to a receiver that may be slow, broken or hostile.

The name is resolved for each connection and every address it leads to is judged; the connection goes to one that was
judged. A deadline shuts the socket, for the time-outs of `requests` bound each read and not the whole. Connections are
kept. Redirects are never followed, no cookie is kept, and neither a proxy nor a certificate store from the environment
is used.
"""

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from urllib3 import exceptions

import hookwatch
from hookwatch.notifying.connections import Adapter, Refused, Stale, Unresolved
from hookwatch.notifying.exchange import Exchange, Unintelligible
from hookwatch.notifying.retry import Blocked, Failed, Outcome, Responded
from hookwatch.settings import Network

DEADLINE = timedelta(seconds=10)
READ_AT_MOST = 16 * 1024
KEPT = 1024


class Sender:
    def __init__(
        self, allowed_networks: tuple[Network, ...], *, allow_http: bool, deadline: timedelta = DEADLINE
    ) -> None:
        self._allowed_networks = allowed_networks
        self._allow_http = allow_http
        self._deadline = deadline
        self._adapter = Adapter()

    @property
    def tls(self) -> ssl.SSLContext:
        """Whom it trusts."""
        return self._adapter.tls

    def post(self, url: str, body: str, headers: Mapping[str, str]) -> Outcome:
        """Posts once and says how it ended. Reads at most 16 KB of the answer's body and keeps 1 KB."""
        if not url.lower().startswith("https://") and not self._allow_http:
            return Blocked("http")
        exchange = Exchange(self._deadline, self._allowed_networks)
        sent = {
            "content-type": "application/json",
            "user-agent": f"Hookwatch/{hookwatch.__version__}",
            **headers,
        }
        with exchange.running():
            try:
                outcome = self._post(url, body.encode(), sent, exchange)
            except Refused as error:
                return Blocked(str(error))
            except Unresolved:
                return Failed("dns")
            except Unintelligible:
                outcome = Failed("other")
            # requests' own are OSErrors.
            except (OSError, exceptions.HTTPError, RuntimeError, ValueError) as error:
                outcome = Failed(_name_of(error))
            return Failed("timeout") if exchange.is_over else outcome

    def _post(self, url: str, body: bytes, headers: Mapping[str, str], exchange: Exchange) -> Outcome:
        request = requests.Request("POST", url, headers=headers, data=body).prepare()
        try:
            response = self._adapter.send(request, stream=True, timeout=exchange.left)
        except Stale:
            exchange.takes_kept = False
            response = self._adapter.send(request, stream=True, timeout=exchange.left)
        with response:
            answer = _read(response.raw)
            return Responded(response.status_code, _retry_after(response.headers.get("retry-after")), answer)


def _name_of(error: Exception) -> str:
    match error:
        case requests.Timeout() | TimeoutError() | exceptions.TimeoutError():
            return "timeout"
        case requests.exceptions.SSLError() | ssl.SSLError() | exceptions.SSLError():
            return "tls"
        case requests.ConnectionError() | exceptions.ProtocolError():
            return "connection"
        case OSError() if not isinstance(error, requests.RequestException):
            return "connection"
        case _:
            return "other"


def _read(raw: Any) -> bytes:
    """The first kilobyte, having read no more than 16: a receiver that sends without end is told no more."""
    kept, read = b"", 0
    while read < READ_AT_MOST:
        try:
            part: bytes = raw.read1(min(4096, READ_AT_MOST - read), decode_content=False)
        except Unintelligible:  # its status was clear
            break
        if not part:
            break
        read += len(part)
        kept = (kept + part)[:KEPT]
    return kept


def _retry_after(value: str | None) -> timedelta | None:
    """Seconds or a date (RFC 9110 §10.2.3); None where it is neither."""
    value = (value or "").strip()
    if value.isascii() and value.isdigit():
        return timedelta(seconds=min(int(value[:4000]), 10**8))  # of more digits Python would make no number
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # OverflowError: a year or an offset of twenty digits
        return None
    return max(timedelta(), moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC))
