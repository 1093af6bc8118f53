"""A server that answers what is published as each test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Call:
    """What was asked."""

    path: str
    token: str | None
    key: str | None
    events: list[dict[str, Any]]

    @property
    def ids(self) -> list[str]:
        return [event["id"] for event in self.events]

    @property
    def orders(self) -> list[str]:
        return [event["payload"]["orderId"] for event in self.events]


@dataclass
class Reply:
    """A status and a body; or nothing, when the connection breaks."""

    status: int = 200
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    breaks: bool = False


def problem(code: str, number: int, **more: object) -> dict[str, object]:
    return {"type": f"/api/v1/errors/{code}", "success": False, "detail": "no", "code": code, "number": number, **more}


def taken(call: Call) -> Reply:
    """As the hub answers where it takes all of them."""
    items = [{"success": True, "data": {"id": event.get("id", "made"), "offset": 1}} for event in call.events]
    return Reply(body={"success": True, "data": items if call.path.endswith("/batch") else items[0]["data"]})


Answerer = Callable[[Call, int], Reply | None]


@contextmanager
def fake_hub(answer: Answerer = lambda _call, _nth: None) -> Iterator[tuple[str, list[Call]]]:
    """Its address, and what it was asked; `answer` gets the call and its number from 1 on, and gives `None` to take it."""
    calls: list[Call] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            events = body.get("events", [body])
            call = Call(self.path, self.headers["Authorization"], self.headers["Idempotency-Key"], events)
            with lock:
                calls.append(call)
                nth = len(calls)
            reply = answer(call, nth) or taken(call)
            if reply.breaks:
                self.close_connection = True
                return
            text = reply.body.encode() if isinstance(reply.body, str) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(text)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(ConnectionError):  # who asked has not waited for it
                self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", calls
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
