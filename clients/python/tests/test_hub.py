"""Publishing to a real hub."""

from __future__ import annotations

import threading

import pytest

from conftest import MakePublisher
from foodtrack_websocket import (
    Event,
    Published,
    RefusedError,
    Retry,
    SyncPublisher,
    TokenError,
    mint_token,
)
from hub import SECRET, Hub, eventually, new_tenant, service_token


def order(order_id: object, **more: str) -> Event:
    return Event("order:created", {"orderId": str(order_id), **more})


def test_an_event_is_taken_once_under_its_id(hub: Hub, make_publisher: MakePublisher) -> None:
    publisher = make_publisher(hub.url, service_token(new_tenant()))
    first = publisher.publish(order("once"))
    assert first.offset is not None
    again = publisher.publish(Event("order:created", {"orderId": "once"}, id=first.id))
    assert again == Published(first.id, first.offset, is_duplicate=True)


def test_an_event_is_taken_once_under_a_key_whoever_repeats_it(hub: Hub, make_publisher: MakePublisher) -> None:
    tenant = new_tenant()
    one, other = (make_publisher(hub.url, lambda: service_token(tenant)) for _ in range(2))
    first = one.publish(order(1), idempotency_key="night-run")
    assert other.publish(order(1), idempotency_key="night-run") == Published(first.id, first.offset, is_duplicate=True)
    batch = one.publish_batch([order(2), order(3)], idempotency_key="batch")
    again = other.publish_batch([order(2), order(3)], idempotency_key="batch")
    assert [it.id for it in batch if isinstance(it, Published)] == [it.id for it in again if isinstance(it, Published)]
    assert len(batch) == 2
    with pytest.raises(RefusedError, match="idempotency_conflict"):
        one.publish(order(7), idempotency_key="night-run")


def test_of_a_batch_the_wrong_event_is_refused_alone(hub: Hub, make_publisher: MakePublisher) -> None:
    events = [order("b1"), Event("kitchen:preparation_started", {}), Event("order:updated", {"orderId": "b1"})]
    outcomes = make_publisher(hub.url, service_token(new_tenant())).publish_batch(events)
    assert [isinstance(outcome, Published) for outcome in outcomes] == [True, False, True]
    refused = outcomes[1]
    assert isinstance(refused, RefusedError)
    assert (refused.code, refused.problem.number, refused.problem.pointer) == ("payload_invalid", 3104, "/orderId")


def test_a_thousand_events_go_in_one_request_and_in_their_order(hub: Hub, make_publisher: MakePublisher) -> None:
    tenant = new_tenant()
    outcomes = make_publisher(hub.url, service_token(tenant)).publish_batch([order(at) for at in range(1_000)])
    assert all(isinstance(outcome, Published) for outcome in outcomes)
    eventually(lambda: len(hub.log(tenant)) == 1_000, "the log")
    assert [entry["orderId"] for entry in hub.log(tenant)] == [str(at) for at in range(1_000)]


def test_tokens_that_are_wrong_are_refused_by_their_code(hub: Hub, make_publisher: MakePublisher) -> None:
    def refusal(token: str) -> tuple[type[Exception], str]:
        with pytest.raises((TokenError, RefusedError)) as caught:
            make_publisher(hub.url, token).publish(Event("notification:info", {"message": "hello"}))
        return type(caught.value), caught.value.code

    assert refusal("nonsense") == (TokenError, "token_malformed")
    assert refusal(service_token(secret=f"{SECRET}, another one")) == (TokenError, "token_signature")
    assert refusal(mint_token("t", "u", "system", SECRET, expires_in_seconds=-60)) == (TokenError, "token_expired")
    chef = mint_token("t", "carla", "chef", SECRET, applications=["kitchen_app"])
    assert refusal(chef) == (RefusedError, "permission_denied")
    with pytest.raises(ValueError, match="32 bytes"):
        mint_token("t", "u", "system", "short")


def test_nothing_is_lost_or_doubled_while_the_hub_is_killed_and_started_again() -> None:
    with (
        Hub() as hub,
        SyncPublisher(hub.url, service_token, retry=Retry(pause_seconds=0.02, pause_seconds_max=0.2)) as publisher,
    ):
        taken: list[str] = []

        def publish_all() -> None:
            for at in range(0, 600, 10):
                outcomes = publisher.publish_batch([order(at + more) for more in range(10)])
                taken.extend(outcome.id for outcome in outcomes if isinstance(outcome, Published))

        thread = threading.Thread(target=publish_all)
        thread.start()
        eventually(lambda: len(taken) >= 40, "some events")
        hub.kill()
        hub.start()
        eventually(lambda: len(taken) >= 200, "more events")
        hub.kill()
        hub.start()
        thread.join()
        assert len(taken) == len(set(taken)) == 600
        eventually(lambda: len(hub.log()) >= 600, "the log")
        assert [entry["id"] for entry in hub.log()] == taken
        assert [entry["orderId"] for entry in hub.log()] == [str(at) for at in range(600)]
