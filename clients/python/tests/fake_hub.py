"""A server that answers what is published as each test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from post_server import post_server


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

    def handle(path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Mapping[str, str], bytes] | None:
        value = json.loads(body)
        call = Call(path, headers["authorization"], headers.get("idempotency-key"), value.get("events", [value]))
        with lock:
            calls.append(call)
            nth = len(calls)
        reply = answer(call, nth) or taken(call)
        text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
        return None if reply.breaks else (reply.status, reply.headers, text.encode())

    with post_server(handle) as port:
        yield f"http://127.0.0.1:{port}", calls
