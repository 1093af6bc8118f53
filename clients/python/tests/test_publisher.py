"""What both publishers do, against a server that answers as each test says."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from conftest import MakePublisher
from fake_hub import Call, Reply, fake_hub, problem
from foodtrack_websocket import (
    Event,
    HubError,
    Published,
    Publisher,
    RefusedError,
    Retry,
    TemporaryError,
    TokenError,
    UnansweredError,
    UnexpectedAnswerError,
    UnreachableError,
    mint_token,
)
from hub import SECRET

ONCE = Retry(give_up_seconds=0.0)


def order(order_id: object) -> Event:
    return Event("order:created", {"orderId": str(order_id)})


def test_what_may_succeed_later_is_repeated_under_the_same_id(make_publisher: MakePublisher) -> None:
    replies: list[Reply | None] = [
        Reply(429, problem("tenant_rate_limited", 1002, retryAfterMs=120)),
        Reply(503, problem("overloaded", 1005), {"Retry-After": "0"}),
        Reply(502, "bad gateway"),
        Reply(breaks=True),
        None,
    ]
    with fake_hub(lambda _, nth: replies[nth - 1]) as (url, calls):
        began = time.monotonic()
        answer = make_publisher(url).publish(order(1))
        assert time.monotonic() - began >= 0.119
    assert [call.ids for call in calls] == [[answer.id]] * 5


def test_a_hub_that_is_away_or_silent_is_tried_again(make_publisher: MakePublisher) -> None:
    over = threading.Event()

    def silent_at_first(_: Call, nth: int) -> None:
        if nth == 1:
            over.wait()

    with fake_hub(silent_at_first) as (url, calls):
        publisher = make_publisher(url, timeout_seconds=2.0)
        assert publisher.publish(order(1)).id == calls[0].ids[0]
        assert len(calls) >= 2
        over.set()
    with pytest.raises(UnreachableError):
        make_publisher(url, retry=Retry(pause_seconds=0.01, give_up_seconds=0.1)).publish(order(2))


def test_each_failure_is_an_exception_that_says_how_to_react(make_publisher: MakePublisher) -> None:
    cases: list[tuple[Reply, type[HubError]]] = [
        (Reply(429, problem("tenant_rate_limited", 1002, retryAfterMs=5)), TemporaryError),
        (Reply(503, problem("overloaded", 1005)), TemporaryError),
        (Reply(401, problem("token_expired", 2001)), TokenError),
        (Reply(401, problem("token_signature", 3004)), TokenError),
        (Reply(400, problem("payload_invalid", 3104, pointer="/orderId", rule="type")), RefusedError),
        (Reply(413, "too large"), RefusedError),
        (Reply(404, "not here"), UnexpectedAnswerError),
        (Reply(502, "bad gateway"), UnexpectedAnswerError),
        (Reply(200, {"success": True, "data": 7}), UnexpectedAnswerError),
        (Reply(breaks=True), UnreachableError),
    ]
    with fake_hub(lambda _, nth: cases[nth - 1][0]) as (url, _):
        publisher = make_publisher(url, retry=ONCE)
        for reply, kind in cases:
            with pytest.raises(kind) as caught:
                publisher.publish(order(1))
            assert type(caught.value) is kind, reply
            if isinstance(caught.value, RefusedError) and reply.status == 400:
                said = caught.value.problem
                assert (said.code, said.number, said.pointer, said.rule) == ("payload_invalid", 3104, "/orderId", "type")
    over = threading.Event()

    def silent(_: Call, _nth: int) -> None:
        over.wait()

    with fake_hub(silent) as (url, _):
        with pytest.raises(UnansweredError):
            make_publisher(url, retry=ONCE, timeout_seconds=2.0).publish(order(1))
        over.set()


def test_of_a_batch_each_event_has_its_outcome(make_publisher: MakePublisher) -> None:
    def first(call: Call, nth: int) -> Reply | None:
        if nth > 1:
            return None
        items = [
            {"success": True, "data": {"id": call.ids[0], "offset": 1, "duplicate": True}},
            problem("tenant_rate_limited", 1002, retryAfterMs=120),
            problem("payload_invalid", 3104, pointer="/orderId"),
        ]
        return Reply(body={"success": True, "data": items})

    with fake_hub(first) as (url, calls):
        began = time.monotonic()
        outcomes = make_publisher(url).publish_batch([order(1), order(2), order(3)])
        assert time.monotonic() - began >= 0.119
    assert outcomes[0] == Published(calls[0].ids[0], 1, is_duplicate=True)
    assert outcomes[1] == Published(calls[0].ids[1], 1)
    assert isinstance(outcomes[2], RefusedError)
    assert [call.orders for call in calls] == [["1", "2", "3"], ["2"]]
    assert calls[1].ids[0] == calls[0].ids[1]


def test_batches_keep_their_bounds_and_a_lower_one_of_the_hub_is_found(make_publisher: MakePublisher) -> None:
    with fake_hub() as (url, calls):
        outcomes = make_publisher(url).publish_batch([order(at) for at in range(2_500)])
        assert all(isinstance(outcome, Published) for outcome in outcomes)
        assert [len(call.events) for call in calls] == [1_000, 1_000, 500]
        big = Event("order:created", {"orderId": "big", "notes": "x" * 400_000})
        assert len(make_publisher(url).publish_batch([big] * 5)) == 5
        assert [len(call.events) for call in calls[3:]] == [2, 2, 1]

    def strict(call: Call, _: int) -> Reply | None:
        return Reply(413, problem("payload_too_large", 3105)) if len(call.events) > 2 else None

    with fake_hub(strict) as (url, calls):
        outcomes = make_publisher(url).publish_batch([order(at) for at in range(9)])
        assert all(isinstance(outcome, Published) for outcome in outcomes)
        assert [order for call in calls if len(call.events) <= 2 for order in call.orders] == [str(at) for at in range(9)]


def test_an_event_that_spoils_its_batch_is_refused_alone(make_publisher: MakePublisher) -> None:
    def answer(call: Call, _: int) -> Reply | None:
        if "bad" not in call.orders:
            return None
        pointer = f"/events/{call.orders.index('bad')}/type" if len(call.events) > 1 else "/type"
        return Reply(400, problem("message_malformed", 3101, pointer=pointer))

    with fake_hub(answer) as (url, calls):
        outcomes = make_publisher(url).publish_batch([order("a"), order("bad"), order("b")])
    assert [isinstance(outcome, Published) for outcome in outcomes] == [True, False, True]
    assert len(calls) == 2


def test_under_a_key_the_same_request_is_repeated(make_publisher: MakePublisher) -> None:
    def first(_: Call, nth: int) -> Reply | None:
        if nth != 1:
            return None
        items = [{"success": True, "data": {"id": "one", "offset": 1}}, problem("storage_full", 1009)]
        return Reply(body={"success": True, "data": items})

    with fake_hub(first) as (url, calls):
        publisher = make_publisher(url)
        outcomes = publisher.publish_batch([order(1), order(2)], idempotency_key="import-7")
        assert outcomes == [Published("one", 1), Published("made", 1)]
        assert calls[0] == calls[1]
        assert calls[0].key == "import-7"
        assert "id" not in calls[0].events[0]
        publisher.publish_batch([order(1)], idempotency_key="import-8")
        publisher.publish(order(1), idempotency_key="import-8")
        assert [call.path for call in calls[2:]] == ["/api/v1/publish/batch", "/api/v1/publish"]
        with pytest.raises(ValueError, match="1000"):
            publisher.publish_batch([order(at) for at in range(1_001)], idempotency_key="import-9")


def test_who_is_given_up_is_told_why(make_publisher: MakePublisher) -> None:
    with fake_hub(lambda _call, _nth: Reply(503, problem("overloaded", 1005))) as (url, calls):
        publisher = make_publisher(url, retry=Retry(pause_seconds=0.01, give_up_seconds=2.0))
        with pytest.raises(TemporaryError, match="overloaded"):
            publisher.publish(order(1))
        assert len(calls) > 1


def test_a_token_is_asked_for_again_before_it_ends_and_once_where_the_hub_calls_it_expired(
    make_publisher: MakePublisher,
) -> None:
    given: list[str] = []

    def token(seconds: int) -> str:
        given.append(mint_token("t", f"u{len(given)}", "system", SECRET, expires_in_seconds=seconds))
        return given[-1]

    with fake_hub(lambda _, nth: Reply(401, problem("token_expired", 2001)) if nth == 3 else None) as (url, calls):
        short = make_publisher(url, lambda: token(5))
        short.publish(order(1))
        time.sleep(5)
        short.publish(order(2))
        assert len(given) == 2
        long = make_publisher(url, lambda: token(3_600))
        long.publish(order(3))
        long.publish(order(4))
    assert len(given) == 4
    assert [call.token for call in calls] == [f"Bearer {given[at]}" for at in (0, 1, 2, 3, 3)]
    assert calls[2].ids == calls[3].ids


def test_what_is_no_json_is_told_and_nothing_is_sent(make_publisher: MakePublisher) -> None:
    with fake_hub() as (url, calls):
        publisher = make_publisher(url)
        for payload in ({"orderId": object()}, {"orderId": float("nan")}):
            with pytest.raises((TypeError, ValueError)):
                publisher.publish_batch([order(1), Event("order:created", payload)])
        assert calls == []
        publisher.publish(Event("order:created", {"orderId": "ordré 💡 \ud83d"}))
        assert calls[0].orders == ["ordré 💡 \ud83d"]


def test_events_at_once_share_connections_and_a_token() -> None:
    asked = 0

    async def token() -> str:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.05)
        return "token"

    async def publish(url: str) -> list[Published]:
        async with Publisher(url, token) as publisher:
            return await asyncio.gather(*(publisher.publish(order(at)) for at in range(50)))

    with fake_hub() as (url, calls):
        answers = asyncio.run(publish(url))
    assert {answer.id for answer in answers} == {each for call in calls for each in call.ids}
    assert len(calls) == 50
    assert asked == 1


def test_one_publisher_serves_several_threads() -> None:
    from foodtrack_websocket import SyncPublisher

    with fake_hub() as (url, calls), SyncPublisher(url, "token") as publisher:
        threads = [threading.Thread(target=publisher.publish, args=(order(at),)) for at in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(int(call.orders[0]) for call in calls) == list(range(20))
