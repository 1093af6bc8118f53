"""One connection to the hub's `/ws`: it connects, answers pings, and keeps what comes until it is asked for."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from .errors import (
    EndedError,
    HubError,
    Problem,
    ProblemError,
    UnansweredError,
    UnexpectedAnswerError,
    UnreachableError,
    retry_after_ms,
)

#: How many events may wait for the one that is being dealt with; with one more, the connection closes, and is opened again
#: once all of them were dealt with.
INBOX_EVENTS_MAX = 1_000
#: The largest message that is read, in bytes.
MESSAGE_BYTES_MAX = 16 * 1_024 * 1_024
#: How long the upgrade and the answer to `connect` may take, in seconds. A hub that many come to lets them wait.
OPEN_SECONDS_MAX = 45.0


@dataclass(frozen=True)
class ReceivedEvent:
    """An event of the hub."""

    #: Its name, such as `order:created`.
    event: str
    #: The whole message: `id`, `payload`, `source` and more.
    message: Any
    #: The place behind it; absent where it asks for an acknowledgement of its own.
    cursor: str | None = None
    #: The number to acknowledge it by; absent where it asks for none.
    ack: int | None = None
    #: What `message` refers to as `{"_placeholder": true, "num": N}`.
    attachments: tuple[bytes, ...] = ()

    @property
    def id(self) -> str | None:
        """The message's id."""
        found = self.message.get("id") if isinstance(self.message, dict) else None
        return found if isinstance(found, str) else None

    @property
    def payload(self) -> Any:
        """What the event says."""
        return self.message.get("payload") if isinstance(self.message, dict) else None


class HubSocket:
    """A connection that has connected. What it got waits in `inbox`; its last item says why it is over."""

    def __init__(self, socket: ClientConnection, silence_seconds: float) -> None:
        self._socket = socket
        self._silence_seconds = silence_seconds
        self._problem: Problem | None = None
        self.inbox: asyncio.Queue[ReceivedEvent | HubError] = asyncio.Queue()
        self.connected: dict[str, Any] = {}
        self._reading: asyncio.Task[None] | None = None

    @staticmethod
    async def open(url: str, hello: dict[str, object]) -> HubSocket:
        """Connects to a hub, whose address is such as `http://127.0.0.1:4001`.

        Raises HubError.
        """
        address = f"ws{url.removeprefix('http')}/ws"
        try:
            async with asyncio.timeout(OPEN_SECONDS_MAX):
                opening = connect(address, max_size=MESSAGE_BYTES_MAX, ping_interval=None, open_timeout=None, proxy=None)
                socket = await opening
                try:
                    return await _connected(socket, hello)
                except BaseException:
                    await _close(socket)
                    raise
        except InvalidStatus as error:
            answer = error.response
            text = (answer.body or b"").decode("utf-8", "replace")
            after_ms = retry_after_ms(answer.headers.get("Retry-After"))
            raise UnexpectedAnswerError(answer.status_code, text, after_ms) from error
        except TimeoutError as error:
            raise UnansweredError(f"{url} did not let a connection in within {OPEN_SECONDS_MAX} s") from error
        except (OSError, ConnectionClosed, InvalidHandshake) as error:
            raise UnreachableError(f"{url} cannot be reached: {error or type(error).__name__}") from error

    async def send(self, *messages: dict[str, object]) -> None:
        """Sends messages; where the connection is over already, `inbox` says why."""
        with contextlib.suppress(ConnectionClosed, OSError):
            for message in messages:
                await self._socket.send(json.dumps(message, separators=(",", ":")))

    async def close(self) -> None:
        """Closes it, if it is open."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await _close(self._socket)

    def start(self) -> None:
        """Reads from now on."""
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            while True:
                await self._take(await self.receive())
        except HubError as error:
            self.inbox.put_nowait(error)
        except TimeoutError:
            self.inbox.put_nowait(UnansweredError(f"the hub was silent for {self._silence_seconds} s"))
        except (ConnectionClosed, OSError) as error:
            self.inbox.put_nowait(UnreachableError(f"the connection is over: {error}"))
        await _close(self._socket)

    async def receive(self) -> dict[str, Any]:
        """The next message, whatever it is.

        Raises TimeoutError, ConnectionClosed, OSError; UnexpectedAnswerError where it is none of the hub's.
        """
        async with asyncio.timeout(self._silence_seconds):
            text = await self._socket.recv()
        return _object(text)

    async def _take(self, frame: dict[str, Any]) -> None:
        kind = frame.get("type")
        if kind == "ping":
            await self.send({"type": "pong"})
        elif kind == "event":
            event = _event(frame)
            if event.event == "system:error":
                self._problem = Problem.of(event.payload)
            self.inbox.put_nowait(event)
            if self.inbox.qsize() > INBOX_EVENTS_MAX:
                raise UnreachableError(f"more than {INBOX_EVENTS_MAX} events wait")
        elif kind == "ack":
            answer = frame.get("answer")
            problem = Problem.of(answer.get("error")) if isinstance(answer, dict) else None
            if problem is not None:
                raise ProblemError.of(problem)
        elif kind == "error":
            raise _refusal(frame)
        elif kind == "end":
            raise EndedError(self._problem)


async def _connected(socket: ClientConnection, hello: dict[str, object]) -> HubSocket:
    opened = _object(await socket.recv())
    pings = [opened.get("pingIntervalMs"), opened.get("pingTimeoutMs")]
    if opened.get("type") != "open" or not all(isinstance(ms, int | float) for ms in pings):
        raise UnexpectedAnswerError(101, f"a hub says `open` first, and not {opened.get('type')!r}")
    hub = HubSocket(socket, sum(float(ms) for ms in pings if ms is not None) / 1_000)
    await socket.send(json.dumps(hello))
    while True:
        frame = await hub.receive()
        if frame.get("type") == "connected":
            hub.connected = frame
            hub.start()
            return hub
        if frame.get("type") == "ping":
            await hub.send({"type": "pong"})
        elif frame.get("type") == "error":
            raise _refusal(frame)


async def _close(socket: ClientConnection) -> None:
    """Says goodbye, and waits no longer for the other end than a moment."""
    with contextlib.suppress(TimeoutError, ConnectionClosed, OSError):
        async with asyncio.timeout(1.0):
            await socket.close()
    socket.transport.abort()


def _refusal(frame: dict[str, Any]) -> HubError:
    problem = Problem.of(frame.get("error"))
    return ProblemError.of(problem) if problem else UnexpectedAnswerError(101, f"an error that says nothing: {frame}")


def _object(text: str | bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UnexpectedAnswerError(101, "a message that is no JSON") from error
    if not isinstance(value, dict):
        raise UnexpectedAnswerError(101, "a message that is no JSON object")
    return value


def _event(frame: dict[str, Any]) -> ReceivedEvent:
    name, attachments = frame.get("event"), frame.get("attachments", ())
    if not isinstance(name, str) or not isinstance(attachments, Sequence):
        raise UnexpectedAnswerError(101, "an event without a name")
    binary = tuple(base64.b64decode(text) for text in attachments)
    return ReceivedEvent(name, frame.get("message"), frame.get("cursor"), frame.get("ack"), binary)
