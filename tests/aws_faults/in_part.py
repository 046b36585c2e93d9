"""AWS as it does a batch in part: all but the last entry is done, and the answer says that the last is not."""

import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.aws_faults.calls import Call
from tests.local_cloud.cloud import Stack

Body = dict[str, Any]
_HOP_BY_HOP = {
    "connection",
    "transfer-encoding",
    "content-length",
    "proxy-connection",
    "keep-alive",
    "host",
    "accept-encoding",
}
_SCOPE = re.compile(r"Credential=[^/]+/\d+/[\w-]+/(\w+)/")  # AWS Signature Version 4


class InPart:
    """Passes on what comes, and keeps `calls`. Of `pending`, (function, operation), each is once done in part."""

    def __init__(self, stack: Stack, logical: dict[str, str]) -> None:
        self.calls: set[Call] = set()
        self.pending: set[tuple[str, str]] = set()
        self._stack, self._logical = stack, logical
        self._changing = threading.Lock()
        between = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers.get("content-length", 0)))
                answer, content = between._answer(self.path, dict(self.headers.items()), sent)
                self.send_response(answer.status_code)
                for name, value in answer.headers.items():
                    if name.lower() not in _HOP_BY_HOP | {"date", "server"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                """Says nothing: `calls` has them."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, path: str, headers: dict[str, str], sent: bytes) -> tuple[requests.Response, bytes]:
        lower = {name.lower(): value for name, value in headers.items()}
        [service], [function] = _SCOPE.findall(lower["authorization"]), re.findall(r" app/(\w+)", lower["user-agent"])
        if "x-amz-target" in lower:
            operation, body = lower["x-amz-target"].rpartition(".")[2], json.loads(sent)
        else:  # SNS
            body = dict(parse_qsl(sent.decode()))
            operation = body["Action"]
        with self._changing:
            self.calls.add(Call(function, service, operation, self._resource(operation, body)))
            in_part = (function, operation) in self.pending
            if in_part:
                self.pending.remove((function, operation))
        if in_part:
            less, finish = _SPLIT[operation](body)
            done = self._sign_and_send(path, lower, service, less) if less else {}
            return _answered(), json.dumps(finish(done)).encode()
        passed_on = {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}
        answer = requests.post(f"{self._stack.endpoint_url}{path}", data=sent, headers=passed_on, timeout=30)
        return answer, answer.content

    def _sign_and_send(self, path: str, headers: dict[str, str], service: str, body: Body) -> Body:
        """In the name of the account: a changed body is not what the function signed."""
        url, sent = f"{self._stack.endpoint_url}{path}", json.dumps(body).encode()
        kept = {name: headers[name] for name in ("x-amz-target", "content-type")}
        request = AWSRequest("POST", url, headers=kept, data=sent)
        SigV4Auth(Credentials("test", "test"), service, self._stack.region).add_auth(request)
        answer = requests.post(url, data=sent, headers=dict(request.headers.items()), timeout=30)
        answer.raise_for_status()
        done: Body = answer.json()
        return done

    def _resource(self, operation: str, body: Body) -> str:
        match operation:
            case "TransactWriteItems":
                [first] = body["TransactItems"][0].values()
                physical = first["TableName"]
            case "BatchGetItem" | "BatchWriteItem":
                physical = next(iter(body["RequestItems"]))
            case _:
                names = ("TableName", "QueueUrl", "SecretId", "KeyId", "TopicArn")
                physical = next(body[name] for name in names if name in body)
        [found] = {name for own, name in self._logical.items() if own in physical}
        return found


def _answered() -> requests.Response:
    answer = requests.Response()
    answer.status_code = 200
    answer.headers["Content-Type"] = "application/x-amz-json-1.0"
    return answer


Split = tuple[Body | None, Callable[[Body], Body]]


def _send_message_batch(body: Body) -> Split:
    *rest, last = body["Entries"]
    failed = {"Id": last["Id"], "SenderFault": False, "Code": "InternalError", "Message": "made to fail"}
    return ({**body, "Entries": rest} if rest else None), lambda done: {"Successful": [], **done, "Failed": [failed]}


def _batch_get_item(body: Body) -> Split:
    [(table, wanted)] = body["RequestItems"].items()
    *rest, last = wanted["Keys"]
    less = {**body, "RequestItems": {table: {**wanted, "Keys": rest}}} if rest else None
    left = {table: {**wanted, "Keys": [last]}}
    return less, lambda done: {"Responses": {table: []}, **done, "UnprocessedKeys": left}


def _batch_write_item(body: Body) -> Split:
    [(table, wanted)] = body["RequestItems"].items()
    *rest, last = wanted
    less = {**body, "RequestItems": {table: rest}} if rest else None
    return less, lambda done: {**done, "UnprocessedItems": {table: [last]}}


_SPLIT: dict[str, Callable[[Body], Split]] = {
    "SendMessageBatch": _send_message_batch,
    "BatchGetItem": _batch_get_item,
    "BatchWriteItem": _batch_write_item,
}
