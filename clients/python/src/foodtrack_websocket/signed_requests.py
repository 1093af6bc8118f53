"""What the hub posts to a back end: clients' requests, and events to webhooks. Both are signed."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .errors import BodyError, SignatureError

#: The header in which the hub signs what it posts: `t=SECONDS,v1=HEX`.
SIGNATURE_HEADER = "x-foodtrack-signature"
_TOLERANCE_SECONDS = 300


def is_signed_by_hub(
    header: str | None, body: bytes, secret: str | Sequence[str], *, tolerance_seconds: int = _TOLERANCE_SECONDS
) -> bool:
    """Whether a request is the hub's, and of now.

    `body` is what came, byte for byte. `secret` is `upstream.secret` or a webhook's `secret`; several while it is changed.
    """
    match = re.fullmatch(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})", header or "")
    if match is None or abs(time.time() - int(match[1])) > tolerance_seconds:
        return False
    signed = match[1].encode() + b"." + body
    secrets = [secret] if isinstance(secret, str) else secret
    return any(hmac.compare_digest(hmac.new(each.encode(), signed, hashlib.sha256).hexdigest(), match[2]) for each in secrets)


@dataclass(frozen=True)
class LoggedEvent:
    """An event as the tenant's log has it."""

    #: Its place, as text that means nothing else: note the last one with what was done.
    cursor: str
    #: The message's id; an event that comes again has the same one.
    id: str
    event: str
    #: When it was accepted: RFC 3339, UTC.
    at: str
    order_id: str | None
    #: The whole message: `payload`, `source` and more.
    message: dict[str, Any]


@dataclass(frozen=True)
class WebhookDelivery:
    """Events of one tenant, in the order in which they were accepted. They come at least once."""

    webhook: str
    tenant_id: str
    events: tuple[LoggedEvent, ...]
    #: Whether events before these are missing: the log no longer had them.
    is_after_gap: bool
    #: A test has no events.
    is_test: bool


@dataclass(frozen=True)
class UpstreamRequest:
    """What a client asks through the hub. Decide by who asks, never by fields of `payload`, which nobody has checked."""

    event: str
    payload: Any
    tenant_id: str
    user_id: str
    role: str
    permissions: tuple[str, ...]
    #: `None` for back ends.
    application: str | None
    connection_id: str


def read_webhook(
    header: str | None, body: bytes, secret: str | Sequence[str], *, tolerance_seconds: int = _TOLERANCE_SECONDS
) -> WebhookDelivery:
    """Reads what a webhook (`[[webhooks]]`) was sent. Answer 204 once it is dealt with.

    Raises SignatureError and BodyError.
    """
    value = _signed_json(header, body, secret, tolerance_seconds)
    try:
        events = tuple(
            LoggedEvent(
                cursor=_text(it["cursor"]),
                id=_text(it["id"]),
                event=_text(it["event"]),
                at=_text(it["at"]),
                order_id=it.get("orderId"),
                message=it["message"],
            )
            for it in value["events"]
        )
        return WebhookDelivery(
            webhook=_text(value["webhook"]),
            tenant_id=_text(value["tenantId"]),
            events=events,
            is_after_gap=value.get("isAfterGap") is True,
            is_test=value.get("isTest") is True,
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise BodyError(f"this is no delivery of the hub: {error!r}") from error


def read_request(
    header: str | None, body: bytes, secret: str | Sequence[str], *, tolerance_seconds: int = _TOLERANCE_SECONDS
) -> UpstreamRequest:
    """Reads a client's request that the hub forwards (`[upstream]`).

    Answer `{"success": true, "data": ..}`, or `{"success": false, "error": "why"}`, with 200.

    Raises SignatureError and BodyError.
    """
    value = _signed_json(header, body, secret, tolerance_seconds)
    try:
        return UpstreamRequest(
            event=_text(value["event"]),
            payload=value.get("payload"),
            tenant_id=_text(value["tenantId"]),
            user_id=_text(value["userId"]),
            role=_text(value["role"]),
            permissions=tuple(value["permissions"]),
            application=value.get("application"),
            connection_id=_text(value["connectionId"]),
        )
    except (KeyError, TypeError) as error:
        raise BodyError(f"this is no request of the hub: {error!r}") from error


def _signed_json(header: str | None, body: bytes, secret: str | Sequence[str], tolerance_seconds: int) -> dict[str, Any]:
    if not is_signed_by_hub(header, body, secret, tolerance_seconds=tolerance_seconds):
        raise SignatureError(f"{SIGNATURE_HEADER} does not prove that the hub asks")
    try:
        value = json.loads(body)
    except ValueError as error:
        raise BodyError("the body is not JSON") from error
    if not isinstance(value, dict):
        raise BodyError("the body is no JSON object")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text was expected, and not {type(value).__name__}")
    return value
