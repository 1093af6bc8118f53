"""Consuming events over the hub's plain WebSocket, each once in effect."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Literal, Self

from .delivery import Retry
from .errors import EndedError, HubError, ProblemError, UnreachableError
from .event import Application
from .hub_socket import HubSocket, ReceivedEvent
from .place import Place, PlaceStore
from .tokens import TokenProvider, Tokens

Room = tuple[Literal["order", "kitchen", "customer", "route", "tenant"], str]
"""What to subscribe to, and its id: `("order", "42")`."""

#: What says nothing to an application.
_OWN_EVENTS = frozenset({"system:connection_established", "system:heartbeat", "system:error", "subscribed", "unsubscribed"})
#: How many events are acknowledged at once, where more of them wait.
_ACK_EVENTS_MAX = 50
#: How long a connection must have held for the next pause to be the shortest again, in seconds.
_HELD_SECONDS = 10.0
_log = logging.getLogger("foodtrack_websocket")


class Consumer:
    """Gives the events of its token's user, in their order, for as long as it is asked:

        async with Consumer(url, token, device_id="printer-1", store=FilePlaceStore("place")) as events:
            async for event in events:
                print_ticket(event.payload)

    An event is done when the next one is asked for; then its place is saved and told to the hub. One whose handling raises
    comes again after a restart. Connections that break are opened again, after growing pauses with jitter, for as long as it
    takes.
    """

    def __init__(
        self,
        url: str,
        token: TokenProvider,
        *,
        application: Application | None = None,
        device_id: str | None = None,
        rooms: Sequence[Room] = (),
        store: PlaceStore | None = None,
        retry: Retry | None = None,
    ) -> None:
        """`application` may be absent where the token opens one alone. With a `device_id` that stays, what it misses is kept
        for it. Without a `store` its place is kept in memory."""
        self._url = url.rstrip("/")
        self._tokens = Tokens(token)
        self._who = {"application": application, "deviceId": device_id}
        self._rooms = rooms
        self._store = store
        self._retry = retry or Retry()
        self._place: Place | None = None
        self._socket: HubSocket | None = None
        self._token_in_use = ""
        self._in_hand: ReceivedEvent | None = None
        self._is_subscribed = False
        self._has_acknowledged = False
        self._unacknowledged = 0
        self._failures = 0
        self._connected_at = 0.0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ReceivedEvent:
        """The next event.

        Raises HubError where coming back would not help: a token that is refused, a room that may not be subscribed to,
        EndedError. Raises ValueError where the store holds something else, and what the store raises.
        """
        await self.done()
        while True:
            socket = self._socket or await self._connect()
            item = await socket.inbox.get()
            if isinstance(item, HubError):
                await self._lost(item)
            elif item.event in _OWN_EVENTS or (await self._loaded()).has(item.id):
                await self._settle(item)
            else:
                self._in_hand = item
                return item

    async def done(self) -> None:
        """Says that the event in hand was dealt with, as asking for the next one does."""
        if self._in_hand is not None:
            event, self._in_hand = self._in_hand, None
            await self._settle(event)

    def place(self) -> str:
        """The place behind the event in hand, as a store keeps it: to be saved in one transaction with what is done about it,
        by a store whose `save` does nothing."""
        place = Place(str(self._place) if self._place else None)
        if self._in_hand is not None:
            place.note(self._in_hand.id, self._in_hand.cursor)
        return str(place)

    async def _settle(self, event: ReceivedEvent) -> None:
        place = await self._loaded()
        place.note(event.id, event.cursor)
        if event.event not in _OWN_EVENTS:
            await self._save(place)
        if self._socket is None:
            return
        if event.ack is not None:
            await self._socket.send({"type": "ack", "id": event.ack})
        if event.cursor is not None:
            self._unacknowledged += 1
            if not self._has_acknowledged or self._socket.inbox.empty() or self._unacknowledged >= _ACK_EVENTS_MAX:
                self._has_acknowledged = True
                self._unacknowledged = 0
                await self._socket.send({"type": "ack", "cursor": event.cursor})

    async def _loaded(self) -> Place:
        if self._place is None:
            text = self._store.load() if self._store else None
            self._place = Place(await text if inspect.isawaitable(text) else text)
        return self._place

    async def _save(self, place: Place) -> None:
        saving = self._store.save(str(place)) if self._store else None
        if inspect.isawaitable(saving):
            await saving

    async def _connect(self) -> HubSocket:
        place = await self._loaded()
        while True:
            try:
                self._token_in_use = await self._token()
                socket = await HubSocket.open(self._url, self._hello(place))
            except HubError as error:
                if not self._may_come_again(error):
                    raise
                await self._pause(error)
                continue
            await self._begin(socket, place)
            return socket

    def _hello(self, place: Place) -> dict[str, object]:
        hello = {
            "type": "connect",
            "token": self._token_in_use,
            **self._who,
            "session": place.session,
            "cursor": place.cursor,
        }
        return {name: value for name, value in hello.items() if value is not None}

    async def _token(self) -> str:
        try:
            return await self._tokens.get()
        except Exception as error:
            # Whoever gives tokens may be away for a while, too.
            raise UnreachableError(f"no token to connect with: {error!r}") from error

    async def _begin(self, socket: HubSocket, place: Place) -> None:
        self._socket = socket
        self._connected_at = time.monotonic()
        self._unacknowledged = 0
        # From the first acknowledgement on, answers to pings confirm nothing: what is not done is not confirmed.
        self._has_acknowledged = place.cursor is not None
        session = socket.connected.get("session")
        place.session = session if isinstance(session, str) else None
        await self._save(place)
        if place.cursor is not None:
            await socket.send({"type": "ack", "cursor": place.cursor})
        if not self._is_subscribed or socket.connected.get("recovered") is not True:
            rooms = enumerate(self._rooms)
            asks = [{"type": "publish", "id": at, "event": f"subscribe:{kind}", "message": name} for at, (kind, name) in rooms]
            await socket.send(*asks)
            self._is_subscribed = True

    async def _lost(self, error: HubError) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()
        if not self._may_come_again(error):
            raise error
        if time.monotonic() - self._connected_at >= _HELD_SECONDS:
            self._failures = 0
        await self._pause(error)

    def _may_come_again(self, error: HubError) -> bool:
        problem = error.problem if isinstance(error, EndedError | ProblemError) else None
        if problem is not None and problem.code == "token_expired":
            return self._tokens.give_up(self._token_in_use)
        return error.is_retryable

    async def _pause(self, error: HubError) -> None:
        seconds = self._retry.pause(self._failures, error.retry_after_ms)
        self._failures += 1
        _log.info("%s; the next attempt is in %.1f s", error, seconds)
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        """Closes the connection. The event in hand is not done by that; those before it are told to the hub."""
        socket, self._socket = self._socket, None
        if socket is not None:
            if self._unacknowledged > 0 and self._place is not None:
                await socket.send({"type": "ack", "cursor": self._place.cursor})
            await socket.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
