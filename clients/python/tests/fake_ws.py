"""A hub that speaks `/ws` by its specification, and fails as each test says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

Greeting = Callable[[dict[str, Any]], dict[str, Any] | None]


class FakeHub:
    """One user's log, and the connections that read it."""

    def __init__(self) -> None:
        self.log: list[dict[str, Any]] = []
        self.connects: list[dict[str, Any]] = []
        self.acks: list[dict[str, Any]] = []
        self.published: list[dict[str, Any]] = []
        self.pongs = 0
        self.sockets: set[ServerConnection] = set()
        #: Answers a `connect` with something else than `connected`.
        self.greet: Greeting = lambda _: None
        #: Answers a `publish`.
        self.answer: dict[str, Any] = {"success": True, "data": {}}
        #: Refuses upgrades, one after the other.
        self.statuses: list[int] = []
        self.knows_sessions = True
        self.silence_ms = 60_000
        self._server: Server | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await serve(self._serve, "127.0.0.1", 0, process_request=self._upgrade, ping_interval=None)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self.cut()
        self._server.close()

    def _upgrade(self, connection: ServerConnection, request: Request) -> Response | None:
        assert request.path == "/ws"
        return connection.respond(HTTPStatus(self.statuses.pop(0)), "not now") if self.statuses else None

    async def _serve(self, socket: ServerConnection) -> None:
        try:
            limits = {"pingIntervalMs": self.silence_ms / 2, "pingTimeoutMs": self.silence_ms / 2, "payloadBytesMax": 1_000_000}
            await self.say(socket, {"type": "open", **limits})
            hello = json.loads(await socket.recv())
            assert hello.pop("type") == "connect"
            self.connects.append(hello)
            other = self.greet(hello)
            await self.say(socket, other or self._connected(hello))
            if other is None:
                after = int(hello["cursor"]) if "cursor" in hello else 0
                for event in self.log[after:]:
                    await self.say(socket, event)
                self.sockets.add(socket)
            async for text in socket:
                await self._hear(socket, json.loads(text))
        except ConnectionClosed:
            pass
        finally:
            self.sockets.discard(socket)

    def _connected(self, hello: dict[str, Any]) -> dict[str, Any]:
        return {"type": "connected", "sid": "s", "session": "secret", "recovered": "session" in hello and self.knows_sessions}

    async def _hear(self, socket: ServerConnection, frame: dict[str, Any]) -> None:
        kind = frame.pop("type")
        if kind == "ack":
            self.acks.append(frame)
        elif kind == "pong":
            self.pongs += 1
        elif kind == "publish":
            self.published.append(frame)
            await self.say(socket, {"type": "ack", "id": frame["id"], "answer": self.answer})

    async def say(self, socket: ServerConnection, frame: dict[str, Any]) -> None:
        """To one connection."""
        await socket.send(json.dumps(frame))

    async def emit(self, *orders: int, **more: object) -> None:
        """Puts events into the log, and sends them to who is connected."""
        for order in orders:
            message = {"id": f"id-{order}", "type": "order:created", "payload": {"orderId": order}}
            event = {"type": "event", "event": "order:created", "message": message, "cursor": str(len(self.log) + 1), **more}
            self.log.append(event)
            await self.tell(event)

    async def tell(self, frame: dict[str, Any]) -> None:
        """To all connections."""
        for socket in list(self.sockets):
            with suppress(ConnectionClosed):
                await self.say(socket, frame)

    def cut(self) -> None:
        """Tears every line."""
        for socket in list(self.sockets):
            socket.transport.abort()
        self.sockets.clear()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Waits for a fact."""
        async with asyncio.timeout(20):
            while not holds():  # noqa: ASYNC110 (what is waited for is no event)
                await asyncio.sleep(0.005)
