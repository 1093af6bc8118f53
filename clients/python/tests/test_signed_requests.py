"""What the hub posts: webhooks and clients' requests are believed where they are the hub's."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest

from foodtrack_websocket import (
    SIGNATURE_HEADER,
    BodyError,
    Event,
    SignatureError,
    SyncPublisher,
    UpstreamRequest,
    WebhookDelivery,
    is_signed_by_hub,
    read_request,
    read_webhook,
)
from hub import Hub, eventually, service_token
from post_server import post_server

SECRET = "what both sides of a request know of each other"


def signature(body: bytes, secret: str = SECRET, seconds: float = 0) -> str:
    at = int(time.time() + seconds)
    return f"t={at},v1={hmac.new(secret.encode(), f'{at}.'.encode() + body, hashlib.sha256).hexdigest()}"


def test_a_signature_is_of_this_body_this_secret_and_now() -> None:
    body = '{"event":"ordré"}'.encode()
    good = signature(body)
    assert is_signed_by_hub(good, body, SECRET)
    assert is_signed_by_hub(good, body, ["another secret, which is the next one", SECRET])
    assert is_signed_by_hub(signature(body, seconds=-290), body, SECRET)
    assert not is_signed_by_hub(signature(body, seconds=-310), body, SECRET)
    assert not is_signed_by_hub(signature(body, seconds=310), body, SECRET)
    assert not is_signed_by_hub(signature(body, seconds=-20), body, SECRET, tolerance_seconds=10)
    assert not is_signed_by_hub(good, body + b" ", SECRET)
    assert not is_signed_by_hub(good, body, "another secret")
    assert not is_signed_by_hub(good, body, [])
    for wrong in (None, "", "t=1", good + "0", good.upper(), f" {good}", f"{good}\n", good.replace("t=", "t=١")):
        assert not is_signed_by_hub(wrong, body, SECRET), wrong


def test_a_body_that_is_not_the_hubs_is_told_from_one_that_is_nobodys() -> None:
    for read in (read_webhook, read_request):
        with pytest.raises(SignatureError):
            read(signature(b"{}", "another secret"), b"{}", SECRET)
        for body in (
            b"",
            b"{",
            b"[]",
            b"{}",
            b'{"webhook":1,"tenantId":"t","events":[]}',
            b'{"events":[7],"event":7}',
            b"\xff",
        ):
            with pytest.raises(BodyError):
                read(signature(body), body, SECRET)


@contextmanager
def back_end(answer: Callable[[str | None, bytes], tuple[int, object]]) -> Iterator[int]:
    """A back end in a few lines; gives its port."""

    def handle(_: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        status, value = answer(headers.get(SIGNATURE_HEADER), body)
        return status, {}, json.dumps(value).encode()

    with post_server(handle) as port:
        yield port


def webhook_to(port: int) -> str:
    return f"""
[security]
webhookNetworks = ["127.0.0.0/8"]

[[webhooks]]
name = "billing"
url = "http://127.0.0.1:{port}/hub/events"
secret = "{SECRET}"
events = ["order:*"]
"""


def test_a_webhook_of_the_hub_is_read() -> None:
    deliveries: list[WebhookDelivery] = []

    def answer(header: str | None, body: bytes) -> tuple[int, object]:
        with pytest.raises(SignatureError):
            read_webhook(header, body, "the secret of somebody else altogether")
        deliveries.append(read_webhook(header, body, SECRET))
        return 200, {"success": True}

    with back_end(answer) as port, Hub(webhook_to(port)) as hub, SyncPublisher(hub.url, service_token) as publisher:
        published = publisher.publish(Event("order:created", {"orderId": "42", "customerId": "ada"}))
        eventually(lambda: any(delivery.events for delivery in deliveries), "the delivery")
        (event,) = next(delivery.events for delivery in deliveries if delivery.events)
        assert (event.id, event.event, event.order_id) == (published.id, "order:created", "42")
        assert event.message["payload"] == {"orderId": "42", "customerId": "ada"}
        assert event.cursor
        first = next(delivery for delivery in deliveries if delivery.events)
        assert (first.webhook, first.tenant_id, first.is_after_gap, first.is_test) == ("billing", "pizza-roma", False, False)


def test_a_request_of_the_hub_is_read() -> None:
    requests: list[UpstreamRequest] = []

    def answer(header: str | None, body: bytes) -> tuple[int, object]:
        requests.append(read_request(header, body, SECRET))
        return 200, {"success": True, "data": []}

    with back_end(answer) as port:
        config = f'[upstream]\nurl = "http://127.0.0.1:{port}/hub/requests"\nsecret = "{SECRET}"\n'
        with Hub(config) as hub:
            hub.run("upstream", "test", "--event", "kitchen:get_orders", "--payload", '{"limit":3}')
    (request,) = requests
    assert (request.event, request.payload) == ("kitchen:get_orders", {"limit": 3})
    assert isinstance(request.permissions, tuple)
    assert request.tenant_id
    assert request.user_id
    assert request.role
