"""Consuming from a real hub over `/ws`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from foodtrack_websocket import (
    Consumer,
    EndedError,
    Event,
    FilePlaceStore,
    Published,
    Publisher,
    ReceivedEvent,
    RefusedError,
    Retry,
    TokenError,
    mint_token,
)
from hub import PATIENCE_SECONDS, SECRET, Hub, new_tenant, service_token

QUICK = Retry(pause_seconds=0.02, pause_seconds_max=0.2)


class Restaurant:
    """A tenant of a hub: who publishes, and who consumes."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.tenant = new_tenant()
        self.publisher = Publisher(hub.url, lambda: service_token(self.tenant), retry=QUICK)

    def token(self, role: str = "chef", application: str = "kitchen_app", seconds: int = 3_600) -> str:
        return mint_token(self.tenant, role, role, SECRET, applications=[application], expires_in_seconds=seconds)

    def consumer(self, token: Any = None, **more: Any) -> Consumer:
        return Consumer(self.hub.url, token or self.token, retry=QUICK, **more)

    async def order(self, *orders: object) -> list[str]:
        outcomes = await self.publisher.publish_batch([Event("order:created", {"orderId": str(order)}) for order in orders])
        return [outcome.id for outcome in outcomes if isinstance(outcome, Published)]


def in_restaurant(hub: Hub, scenario: Callable[[Restaurant], Awaitable[None]]) -> None:
    async def run() -> None:
        restaurant = Restaurant(hub)
        async with asyncio.timeout(6 * PATIENCE_SECONDS), restaurant.publisher:
            await scenario(restaurant)

    asyncio.run(run())


async def next_of(events: Consumer) -> ReceivedEvent:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await anext(events)


async def orders(events: Consumer, count: int) -> list[str]:
    """What the hub tells of itself in between, such as that the token is about to end, is passed over."""
    found: list[str] = []
    while len(found) < count:
        event = await next_of(events)
        if not event.event.startswith("system:"):
            found.append(event.payload["orderId"])
    return found


async def is_here(events: Consumer, restaurant: Restaurant) -> None:
    """Who comes for the first time gets no history: waits until the consumer is there."""
    asking = asyncio.create_task(orders(events, 1))
    while not asking.done():
        await restaurant.publisher.publish(Event("order:created", {"orderId": "here"}))
        await asyncio.wait([asking], timeout=0.2)
    await events.done()
    last = await restaurant.publisher.publish(Event("order:created", {"orderId": "last"}))
    while (await next_of(events)).id != last.id:
        pass
    await events.done()


def test_each_event_comes_once_and_in_order_while_the_hub_is_killed_and_started_again() -> None:
    async def scenario(restaurant: Restaurant) -> None:
        async with restaurant.consumer() as events:
            await is_here(events, restaurant)

            async def publish_all() -> list[str]:
                return [one for at in range(0, 300, 10) for one in await restaurant.order(*range(at, at + 10))]

            publishing = asyncio.create_task(publish_all())
            heard = []
            for at in range(300):
                if at in (50, 150):
                    await asyncio.to_thread(hub.kill)
                    await asyncio.to_thread(hub.start)
                heard.append((await next_of(events)).id)
            assert heard == await publishing

    with Hub() as hub:
        in_restaurant(hub, scenario)


def test_what_was_missed_comes_to_a_script_that_is_started_again(hub: Hub, tmp_path: Path) -> None:
    async def scenario(restaurant: Restaurant) -> None:
        by_file = {"store": FilePlaceStore(tmp_path / "place")}
        for who in (by_file, {"device_id": "printer"}, {**by_file, "device_id": "tablet"}):
            async with restaurant.consumer(**who) as events:
                await is_here(events, restaurant)
                await restaurant.order("a", "b", "c")
                assert await orders(events, 2) == ["a", "b"]
            await restaurant.order("d")
            async with restaurant.consumer(**who) as events:
                # "b" was in hand, and not done.
                assert await orders(events, 3) == ["b", "c", "d"]
                await events.done()

    in_restaurant(hub, scenario)


def test_an_event_that_asks_for_an_acknowledgement_gets_it() -> None:
    delivery = '[[delivery]]\nevent = "kitchen:order_received"\nacknowledge = true\n'

    async def scenario(restaurant: Restaurant) -> None:
        async with restaurant.consumer() as events:
            await is_here(events, restaurant)
            await restaurant.publisher.publish(Event("kitchen:order_received", {"orderId": "1"}))
            first = await next_of(events)
            assert (first.event, first.cursor) == ("kitchen:order_received", None)
            await asyncio.sleep(0.5)  # it is sent again meanwhile
            await restaurant.order("2")
            assert await orders(events, 1) == ["2"]
            await events.done()
        await asyncio.sleep(2)
        assert await asyncio.to_thread(hub.get, "/api/v1/dead-letters", restaurant.tenant) == {"success": True, "data": []}

    with Hub(f"{delivery}\n[retry]\nbaseDelayMs = 200\nmaxAttempts = 3\n") as hub:
        in_restaurant(hub, scenario)


def test_a_room_is_subscribed_to(hub: Hub) -> None:
    async def scenario(restaurant: Restaurant) -> None:
        def courier() -> str:
            return restaurant.token("delivery_personnel", "delivery_app")

        async with restaurant.consumer(courier, rooms=[("order", "42")]) as events:
            asking = asyncio.create_task(next_of(events))
            while not asking.done():
                await restaurant.publisher.publish(Event("delivery:in_transit", {"orderId": "41"}))
                await restaurant.publisher.publish(Event("delivery:in_transit", {"orderId": "42"}))
                await asyncio.wait([asking], timeout=0.2)
            assert (await asking).payload["orderId"] == "42"
        with pytest.raises(RefusedError, match="room_forbidden"):
            await next_of(restaurant.consumer(courier, rooms=[("customer", "ada")]))

    in_restaurant(hub, scenario)


def test_tokens_that_are_wrong_are_refused_and_one_that_ends_is_renewed() -> None:
    async def scenario(restaurant: Restaurant) -> None:
        with pytest.raises(TokenError, match="token_signature"):
            await next_of(restaurant.consumer(mint_token("t", "u", "chef", f"{SECRET}, another", applications=["kitchen_app"])))
        several = mint_token("t", "u", "restaurant_owner", SECRET, applications=["kitchen_app", "tenant_dashboard"])
        with pytest.raises(RefusedError, match="application_required"):
            await next_of(restaurant.consumer(several))
        given = 0

        def short() -> str:
            nonlocal given
            given += 1
            return restaurant.token(seconds=2)

        async with restaurant.consumer(short) as events:
            await is_here(events, restaurant)
            for at in range(20):
                await restaurant.order(at)
                assert await orders(events, 1) == [str(at)]
                await asyncio.sleep(0.3)
        assert given > 2

    with Hub("[security]\nleewaySeconds = 0\n") as hub:
        in_restaurant(hub, scenario)


def test_the_same_device_anew_ends_the_older_one(hub: Hub) -> None:
    async def scenario(restaurant: Restaurant) -> None:
        older, newer = (restaurant.consumer(device_id="printer") for _ in range(2))
        async with older, newer:
            await is_here(older, restaurant)
            waiting = asyncio.create_task(next_of(older))
            asking = asyncio.create_task(next_of(newer))
            with pytest.raises(EndedError) as caught:
                await waiting
            assert caught.value.problem is not None
            assert caught.value.problem.code == "device_replaced"
            await restaurant.order("x")
            assert (await asking).payload["orderId"] == "x"

    in_restaurant(hub, scenario)


def test_an_address_that_opens_connections_too_fast_waits() -> None:
    config = "[security.rateLimiting]\nhandshakesPerMinute = 30\n"

    async def scenario(restaurant: Restaurant) -> None:
        for _ in range(40):
            async with restaurant.consumer() as events:
                asking = asyncio.create_task(next_of(events))
                await asyncio.sleep(0.01)
                asking.cancel()
        async with restaurant.consumer() as events:
            await is_here(events, restaurant)

    with Hub(config) as hub:
        in_restaurant(hub, scenario)
