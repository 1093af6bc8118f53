import json
from pathlib import Path
from typing import Any

import pytest

from foodtrack_websocket.encrypted_payloads import PayloadCipher, additional_data

pytest.importorskip("cryptography")

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "tests" / "vectors" / "encryption.json").read_text(encoding="utf-8")
)
CIPHER = PayloadCipher({"hub-3": VECTORS["payloadKey"]})
MESSAGE = {"id": "0190b5a0-0000-7000-8000-0000000000ff", "type": "order:created", "tenantId": "pizza-roma"}


def test_what_another_implementation_encrypted_is_decrypted() -> None:
    for vector in VECTORS["payloads"]:
        message = vector["message"]
        outside = {k: v for k, v in message["payload"].items() if k not in {"alg", "kid", "iv", "ciphertext"}}
        assert additional_data(message, "hub-3", outside).hex() == vector["additionalData"]
        assert CIPHER.decrypt(message) == json.loads(vector["plain"])


def test_what_is_encrypted_comes_back_and_shows_nothing_but_what_routing_needs() -> None:
    payload = CIPHER.encrypt(MESSAGE, {"note": "ring twice 🍕"}, {"orderId": "o-1"})
    assert payload["orderId"] == "o-1"
    assert payload["kid"] == "hub-3"
    assert "ring" not in json.dumps(payload)
    assert CIPHER.decrypt({**MESSAGE, "payload": payload}) == {"note": "ring twice 🍕"}


def test_a_message_that_was_changed_anywhere_is_refused() -> None:
    payload = CIPHER.encrypt(MESSAGE, {"note": "n"}, {"orderId": "o-1"})
    for change in (
        {"payload": {**payload, "orderId": "o-2"}},
        {"payload": {**payload, "customerId": "eve"}},
        {"payload": {**payload, "kid": "hub-4"}},
        {"payload": {**payload, "alg": "none"}},
        {"payload": {**payload, "iv": payload["iv"][::-1]}},
        {"payload": {"orderId": "o-1"}},
        {"type": "order:updated"},
        {"tenantId": "sushi-oslo"},
        {"id": "0190b5a0-0000-7000-8000-0000000000fe"},
    ):
        with pytest.raises(ValueError, match=r"key|changed|encrypted"):
            CIPHER.decrypt({**MESSAGE, "payload": payload, **change})


def test_a_key_of_another_length_and_a_name_that_is_taken_are_refused() -> None:
    with pytest.raises(ValueError, match="31 bytes"):
        PayloadCipher({"ours": b"k" * 31})
    with pytest.raises(ValueError, match="no key"):
        PayloadCipher({})
    with pytest.raises(ValueError, match="cannot stand beside"):
        CIPHER.encrypt(MESSAGE, {}, {"iv": "x"})
