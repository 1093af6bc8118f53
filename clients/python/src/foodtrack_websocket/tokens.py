"""Tokens: signing them, and keeping one in use until shortly before its end."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import inspect
import json
import time
from collections.abc import Awaitable, Callable, Sequence

TokenProvider = str | Callable[[], str] | Callable[[], Awaitable[str]]
"""A token, or a function that gives one whenever one is needed; for asynchronous clients it may be a coroutine function."""

SyncTokenProvider = str | Callable[[], str]
"""The same for synchronous clients."""

#: How long before its end a token is not used any more, in seconds; of short ones, a tenth of what was left at first.
_RENEW_BEFORE_SECONDS = 30.0
_SECRET_BYTES_MIN = 32


def mint_token(
    tenant_id: str,
    user_id: str,
    role: str,
    secret: str,
    *,
    applications: Sequence[str] | None = None,
    expires_in_seconds: int = 3_600,
    device_id: str | None = None,
) -> str:
    """Signs a token with HS256: a back end's own with the role `system`, a person's with the applications that it opens.

    Raises ValueError where the secret is shorter than 32 bytes.
    """
    key = secret.encode()
    if len(key) < _SECRET_BYTES_MIN:
        raise ValueError(f"the secret must have at least {_SECRET_BYTES_MIN} bytes")
    now = int(time.time())
    claims: dict[str, object] = {
        "tenantId": tenant_id,
        "sub": user_id,
        "role": role,
        "iat": now,
        "exp": now + expires_in_seconds,
    }
    if applications is not None:
        claims["applicationTypes"] = list(applications)
    if device_id is not None:
        claims["deviceId"] = device_id
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
    return f"{signed}.{_base64url(hmac.new(key, signed.encode(), hashlib.sha256).digest())}"


def _part(value: object) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class TokenInUse:
    """The token in use, and until when. It asks nobody: who has it asks, and says what was given."""

    def __init__(self, provider: TokenProvider) -> None:
        self._token = provider if isinstance(provider, str) else None
        self._is_fixed = isinstance(provider, str)
        self._renew_at = float("inf")

    def get(self) -> str | None:
        """The token, while it is good; `None` where a new one is to be asked for."""
        return self._token if time.time() < self._renew_at else None

    def put(self, token: str) -> str:
        """Takes a token that was just given."""
        self._token = token
        self._renew_at = _renew_at(token)
        return token

    def give_up(self, token: str) -> bool:
        """Says that the hub takes `token` no longer; answers whether another one can be asked for."""
        if self._is_fixed:
            return False
        if self._token == token:
            self._token = None
        return True


class Tokens:
    """The token in use of an asynchronous client: asked for once, and again before it ends."""

    def __init__(self, provider: TokenProvider) -> None:
        self._provider = provider
        self._token = TokenInUse(provider)
        self._asking = asyncio.Lock()

    async def get(self) -> str:
        """A token that is good. Raises whatever the function that gives tokens raises."""
        async with self._asking:
            if (token := self._token.get()) is not None:
                return token
            assert not isinstance(self._provider, str)  # noqa: S101 (a fixed token never ends here)
            given = self._provider()
            return self._token.put(await given if inspect.isawaitable(given) else given)

    def give_up(self, token: str) -> bool:
        """Says that the hub takes `token` no longer; answers whether another one can be asked for."""
        return self._token.give_up(token)


def _renew_at(token: str) -> float:
    """In seconds since 1970. What is no JWT is used until the hub refuses it."""
    try:
        part = token.split(".")[1]
        end = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))["exp"]
        left = float(end) - time.time()
    except (IndexError, KeyError, TypeError, ValueError):
        return float("inf")
    return float(end) - min(_RENEW_BEFORE_SECONDS, left / 10)
