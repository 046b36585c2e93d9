"""The public API of a deployed stack, as operators ask it."""

from typing import Any

import requests

_ANSWERS_WITHIN = 35  # seconds: API Gateway gives a function 29


class Failed(Exception):
    """What was asked for did not come about; the message says why, and what was seen."""


class Asking:
    def __init__(self, api_url: str, key: str) -> None:
        self._url = api_url
        self._session = requests.Session()
        self._session.trust_env = not api_url.startswith("http://127.0.0.1:")  # no proxy knows the local cloud
        self._session.headers["Authorization"] = f"Bearer {key}"

    def ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """
        Raises:
            Failed: the answer is a problem.
            requests.RequestException: there is none.
        """
        answer = self._session.request(method, f"{self._url}{path}", json=body, timeout=_ANSWERS_WITHIN)
        if not answer.ok:
            raise Failed(f"{method} {path or '/'} was answered with {answer.status_code}: {answer.text[:300]}")
        return dict(answer.json()) if answer.content else {}
