"""What a consumer does, against a hub that fails as each test says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import serve

import foodtrack_websocket.hub_socket
from fake_hub import problem
from fake_ws import FakeHub
from foodtrack_websocket import (
    Consumer,
    EndedError,
    FilePlaceStore,
    PlaceStore,
    ReceivedEvent,
    RefusedError,
    Retry,
    TokenError,
    UnexpectedAnswerError,
)

QUICK = Retry(pause_seconds=0.005, pause_seconds_max=0.1)


def with_hub(scenario: Callable[[FakeHub], Awaitable[None]]) -> None:
    """Runs a scenario with a hub of its own."""

    async def run() -> None:
        async with asyncio.timeout(60), FakeHub() as hub:
            await scenario(hub)

    asyncio.run(run())


def consumer(hub: FakeHub, **more: Any) -> Consumer:
    return Consumer(hub.url, **{"token": "token", "retry": QUICK, **more})


async def orders(events: Consumer, count: int) -> list[Any]:
    """The next ones; the last of them is in hand."""
    return [(await anext(events)).payload["orderId"] for _ in range(count)]


def test_each_event_comes_once_and_in_order_though_the_line_tears() -> None:
    async def scenario(hub: FakeHub) -> None:
        await hub.emit(1, 2, 3)
        async with consumer(hub, application="kitchen_app", device_id="printer") as events:
            assert await orders(events, 2) == [1, 2]
            hub.cut()
            await hub.emit(4, 5)
            assert await orders(events, 3) == [3, 4, 5]
            for at in range(6, 30, 3):
                await hub.emit(at)
                hub.cut()
                await hub.emit(at + 1, at + 2)
                assert await orders(events, 3) == [at, at + 1, at + 2]
        assert hub.connects[0] == {"token": "token", "application": "kitchen_app", "deviceId": "printer"}
        assert {hello["session"] for hello in hub.connects[1:]} == {"secret"}

    with_hub(scenario)


def test_a_script_that_is_started_again_goes_on_behind_what_it_has_done(tmp_path: Path) -> None:
    async def scenario(hub: FakeHub) -> None:
        store = FilePlaceStore(tmp_path / "place")
        await hub.emit(1, 2, 3, 4)
        async with consumer(hub, store=store) as events:
            assert await orders(events, 3) == [1, 2, 3]
        async with consumer(hub, store=store) as events:
            assert await orders(events, 2) == [3, 4]
            await events.done()
        await hub.emit(5)
        async with consumer(hub, store=store) as events:
            assert await orders(events, 1) == [5]
        assert (tmp_path / "place").stat().st_mode & 0o777 == 0o600

    with_hub(scenario)


def test_what_is_not_done_is_not_confirmed() -> None:
    async def scenario(hub: FakeHub) -> None:
        established = {"type": "event", "event": "system:connection_established", "message": {"id": "c"}, "cursor": "1"}
        hub.log.append(established)
        async with consumer(hub) as events:
            await hub.emit(1, 2)
            assert await orders(events, 1) == [1]
            await hub.until(lambda: {"cursor": "1"} in hub.acks)
            assert await orders(events, 1) == [2]
            await events.done()
            await hub.until(lambda: hub.acks[-1] == {"cursor": "3"})
            hub.cut()
            await hub.emit(3)
            assert await orders(events, 1) == [3]
            # Again, before anything else: pongs confirm nothing from then on.
            await hub.until(lambda: hub.acks[-1] == {"cursor": "3"} and hub.acks.count({"cursor": "3"}) == 2)

    with_hub(scenario)


def test_an_event_that_asks_for_an_acknowledgement_is_done_once_however_often_it_comes() -> None:
    async def scenario(hub: FakeHub) -> None:
        message = {"id": "urgent", "type": "kitchen:order_received", "payload": {"orderId": "u"}}
        event = {"type": "event", "event": "kitchen:order_received", "message": message}
        async with consumer(hub) as events:
            asking = asyncio.create_task(orders(events, 1))
            await hub.until(lambda: len(hub.sockets) == 1)
            await hub.tell({**event, "ack": 7})
            assert await asking == ["u"]
            assert hub.acks == []
            await hub.tell({**event, "ack": 8})
            await hub.emit(1)
            assert await orders(events, 1) == [1]
            await hub.until(lambda: hub.acks == [{"id": 7}, {"id": 8}])

    with_hub(scenario)


def test_pings_are_answered_while_an_event_is_dealt_with_and_silence_ends_a_connection() -> None:
    async def scenario(hub: FakeHub) -> None:
        async with consumer(hub) as events:
            await hub.emit(1)
            assert await orders(events, 1) == [1]
            await hub.tell({"type": "ping"})
            await hub.until(lambda: hub.pongs == 1)
            hub.silence_ms = 200
            hub.cut()
            asking = asyncio.create_task(orders(events, 1))
            await hub.until(lambda: len(hub.connects) >= 4)
            hub.silence_ms = 60_000
            await hub.until(lambda: len(hub.connects) >= 5)
            await hub.emit(2)
            assert await asking == [2]

    with_hub(scenario)


def test_a_refusal_is_told_and_what_may_pass_is_tried_again() -> None:
    async def scenario(hub: FakeHub) -> None:
        async def refused(code: str, number: int, kind: type[Exception], **more: Any) -> None:
            hub.greet = lambda _: {"type": "error", "error": {"code": code, "number": number, "message": "no"}}
            with pytest.raises(kind, match=code):
                await anext(consumer(hub, **more))

        await refused("token_signature", 3004, TokenError)
        await refused("application_required", 3011, RefusedError)
        await refused("token_expired", 2001, TokenError)

        replies = [
            {"type": "error", "error": {"code": "overloaded", "number": 1005, "message": "no", "retryAfterMs": 20}},
            {"type": "error", "error": {"code": "token_expired", "number": 2001, "message": "no"}},
        ]
        hub.greet = lambda _: replies.pop(0) if replies else None
        hub.statuses = [429, 502]
        tokens = iter(["first", "second"])
        await hub.emit(1)
        async with consumer(hub, token=lambda: next(tokens)) as events:
            assert await orders(events, 1) == [1]
        assert [hello["token"] for hello in hub.connects[-3:]] == ["first", "first", "second"]
        hub.statuses = [403]
        with pytest.raises(UnexpectedAnswerError, match="403"):
            await anext(consumer(hub))

    with_hub(scenario)


def test_a_function_that_gives_no_token_for_now_is_asked_again() -> None:
    async def scenario(hub: FakeHub) -> None:
        asked = 0

        async def token() -> str:
            nonlocal asked
            asked += 1
            if asked < 3:
                raise OSError("the vault is away")
            return "token"

        await hub.emit(1)
        async with consumer(hub, token=token) as events:
            assert await orders(events, 1) == [1]

    with_hub(scenario)


def test_who_is_sent_away_for_good_does_not_come_back_but_with_a_fresh_token() -> None:
    async def scenario(hub: FakeHub) -> None:
        async def ended(code: str) -> None:
            error = {"payload": {"code": code, "number": 2001, "message": "it is over"}}
            await hub.tell({"type": "event", "event": "system:error", "message": error})
            await hub.tell({"type": "end"})

        async with consumer(hub, token=lambda: "fresh") as events:
            asking = asyncio.create_task(orders(events, 1))
            await hub.until(lambda: len(hub.sockets) == 1)
            await ended("token_expired")
            await hub.until(lambda: len(hub.connects) == 2 and len(hub.sockets) == 1)
            await ended("device_replaced")
            with pytest.raises(EndedError, match="it is over") as caught:
                await asking
            assert caught.value.problem is not None
            assert caught.value.problem.code == "device_replaced"
        assert len(hub.connects) == 2

    with_hub(scenario)


def test_more_events_than_may_wait_are_fetched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foodtrack_websocket.hub_socket, "INBOX_EVENTS_MAX", 10)

    async def scenario(hub: FakeHub) -> None:
        await hub.emit(*range(100))
        async with consumer(hub) as events:
            assert await orders(events, 1) == [0]
            await hub.until(lambda: len(hub.sockets) == 0)
            assert await orders(events, 99) == list(range(1, 100))
        assert len(hub.connects) > 2

    with_hub(scenario)


def test_rooms_are_subscribed_to_again_where_the_hub_has_forgotten_them() -> None:
    async def scenario(hub: FakeHub) -> None:
        subscriptions = [
            {"id": 0, "event": "subscribe:order", "message": "42"},
            {"id": 1, "event": "subscribe:route", "message": "r1"},
        ]
        async with consumer(hub, rooms=[("order", "42"), ("route", "r1")]) as events:
            await hub.emit(1)
            assert await orders(events, 1) == [1]
            await hub.until(lambda: hub.published == subscriptions)
            for at, knows in enumerate((True, False)):
                hub.knows_sessions = knows
                hub.cut()
                await hub.emit(2 + at)
                await orders(events, 1)
                await events.done()
                await hub.until(lambda knows=knows: hub.published == subscriptions * (1 if knows else 2))  # type: ignore[misc]
            hub.answer = {"success": False, "error": problem("room_forbidden", 3112)}
            hub.cut()
            with pytest.raises(RefusedError, match="room_forbidden"):
                await orders(events, 1)

    with_hub(scenario)


def test_a_store_of_ones_own_and_one_that_holds_something_else() -> None:
    class InATransaction:
        """Its `save` does nothing: what is done and the place are written together."""

        def __init__(self) -> None:
            self.rows: list[tuple[ReceivedEvent, str]] = []

        async def load(self) -> str | None:
            return self.rows[-1][1] if self.rows else None

        async def save(self, place: str) -> None:
            pass

    class Broken:
        def load(self) -> str:
            return '{"a":1}'

        def save(self, place: str) -> None:
            raise AssertionError(place)

    async def scenario(hub: FakeHub) -> None:
        await hub.emit(1, 2, 3)
        store = InATransaction()
        own: PlaceStore = store
        for _ in range(3):
            async with consumer(hub, store=own) as events:
                store.rows.append((await anext(events), events.place()))
        assert [event.payload["orderId"] for event, _ in store.rows] == [1, 2, 3]
        with pytest.raises(ValueError, match="place of a consumer"):
            await anext(consumer(hub, store=Broken()))

    with_hub(scenario)


def test_what_is_no_hub_is_told() -> None:
    async def run() -> None:
        for text in ("hello", "7", '{"type":"open"}', '{"type":"hi"}'):

            async def other(socket: Any, text: str = text) -> None:
                await socket.send(text)
                await socket.wait_closed()

            async with serve(other, "127.0.0.1", 0) as server:
                port = next(iter(server.sockets)).getsockname()[1]
                with pytest.raises(UnexpectedAnswerError):
                    await anext(Consumer(f"http://127.0.0.1:{port}", "token", retry=QUICK))

    asyncio.run(run())
