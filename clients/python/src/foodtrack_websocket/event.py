"""An event to publish, and what becomes of it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Literal

from .errors import HubError, UnexpectedAnswerError

Application = Literal["client_app", "tenant_dashboard", "kitchen_app", "delivery_app"]
Priority = Literal["low", "medium", "high", "urgent"]


@dataclass(frozen=True)
class Event:
    """An event to publish: of a type of the contract, or of one that the tenant declared."""

    type: str
    #: JSON.
    payload: Mapping[str, object]
    _: KW_ONLY
    #: A UUID of the sender's own, under which it may be sent again and is delivered once. The publisher makes one where
    #: there is none.
    id: str | None = None
    #: Narrows the audience, never widens it.
    target: Application | Sequence[Application] | None = None
    priority: Priority | None = None
    #: An application of the tenant; `system` where absent.
    source: Application | Literal["system"] | None = None

    def to_json(self, *, names_itself: bool) -> str:
        """The event as the hub reads it; with an `id` of its own where it has none and `names_itself`.

        Raises TypeError or ValueError where the payload is no JSON.
        """
        message: dict[str, object] = {"type": self.type, "payload": self.payload}
        message_id = self.id if self.id is not None or not names_itself else str(uuid.uuid4())
        fields = {"id": message_id, "target": self.target, "priority": self.priority, "source": self.source}
        message.update({name: value for name, value in fields.items() if value is not None})
        return json.dumps(message, allow_nan=False, separators=(",", ":"))


@dataclass(frozen=True)
class Published:
    """The hub has the event."""

    id: str
    #: Its place in the tenant's log; a volatile event has none.
    offset: int | None = None
    #: It was there already, under the same id or key.
    is_duplicate: bool = False

    @staticmethod
    def of(data: object) -> Published:
        """Reads the hub's answer.

        Raises UnexpectedAnswerError where it is none.
        """
        if not isinstance(data, dict) or not isinstance(data.get("id"), str):
            raise UnexpectedAnswerError(200, f"an answer without an id: {data!r}")
        return Published(data["id"], data.get("offset"), data.get("duplicate") is True)


Outcome = Published | HubError
"""What became of one event of a batch."""
