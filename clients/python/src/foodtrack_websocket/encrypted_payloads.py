"""Encrypted payloads: AES-256-GCM, bound to the message that they stand in. Needs the extra `encryption`."""

import base64
import json
import os
import re
import struct
from collections.abc import Mapping
from typing import Any

_ALGORITHM = "A256GCM"
_FORM = "foodtrack-websocket payload 1"
_OWN_FIELDS = frozenset({"alg", "kid", "iv", "ciphertext"})
_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")
_KEY_BYTES = 32
_NONCE_BYTES = 12


class PayloadCipher:
    """Encrypts with the newest of some keys, and decrypts with each of them.

    `keys` are by their names, the newest last: 32 bytes, or those as base64url. The hub's are called `hub-1` and so on; others
    are their owners'. A key is good for 2^32 payloads of all who use it.
    """

    def __init__(self, keys: Mapping[str, bytes | str]) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._keys = {}
        for kid, key in keys.items():
            raw = _from_base64url(key) if isinstance(key, str) else key
            if len(raw) != _KEY_BYTES:
                raise ValueError(f"the key {kid} has {len(raw)} bytes and not {_KEY_BYTES}")
            self._keys[kid] = AESGCM(raw)
        if not self._keys:
            raise ValueError("there is no key")

    def encrypt(self, message: Mapping[str, Any], payload: Any, outside: Mapping[str, str] | None = None) -> dict[str, str]:
        """The payload to publish in a message of this `id`, `type` and `tenantId`, with `encrypted` true.

        `outside` are identifiers that the hub routes by, such as `orderId`: they stand in clear.
        """
        outside = outside or {}
        for name in outside:
            if not _NAME.fullmatch(name) or name in _OWN_FIELDS:
                raise ValueError(f"{name} cannot stand beside a ciphertext")
        kid, key = next(reversed(self._keys.items()))
        nonce = os.urandom(_NONCE_BYTES)
        plain = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
        ciphertext = key.encrypt(nonce, plain, additional_data(message, kid, outside))
        return {**outside, "alg": _ALGORITHM, "kid": kid, "iv": _to_base64url(nonce), "ciphertext": _to_base64url(ciphertext)}

    def decrypt(self, message: Mapping[str, Any]) -> Any:
        """What was encrypted.

        Raises `ValueError` where the message was changed, is not encrypted, or its key is not there.
        """
        from cryptography.exceptions import InvalidTag

        payload = message["payload"]
        if (
            not isinstance(payload, dict)
            or payload.get("alg") != _ALGORITHM
            or not all(isinstance(value, str) for value in payload.values())
        ):
            raise ValueError("not an encrypted payload")
        kid = payload.get("kid", "")
        if kid not in self._keys:
            raise ValueError(f"there is no key {kid}")
        outside = {name: value for name, value in payload.items() if name not in _OWN_FIELDS}
        try:
            plain = self._keys[kid].decrypt(
                _from_base64url(payload["iv"]), _from_base64url(payload["ciphertext"]), additional_data(message, kid, outside)
            )
        except (InvalidTag, KeyError) as error:
            raise ValueError("the message was changed since it was encrypted") from error
        return json.loads(plain)


def additional_data(message: Mapping[str, Any], kid: str, outside: Mapping[str, str]) -> bytes:
    """What a ciphertext is bound to: each text behind its length in UTF-8, four bytes, the highest first."""
    identifiers = [part for name in sorted(outside) for part in (name, outside[name])]
    texts = [_FORM, message["tenantId"], message["type"], message["id"], _ALGORITHM, kid, *identifiers]
    return b"".join(struct.pack(">I", len(raw)) + raw for raw in (text.encode() for text in texts))


def _to_base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _from_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
