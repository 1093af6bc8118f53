"""How far a consumer is: what it brings to the hub to go on, and what it has dealt with. Kept as text by a store."""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Awaitable
from pathlib import Path
from typing import Protocol

#: How many ids of the latest events are kept, so that one that comes again is known.
IDS_MAX = 512


class PlaceStore(Protocol):
    """Where a consumer's place is kept. Its methods may be coroutine functions."""

    def load(self) -> str | Awaitable[str | None] | None:
        """What was saved last; `None` where nothing was."""

    def save(self, place: str) -> Awaitable[None] | None:
        """Takes the place of what was saved before."""


class FilePlaceStore:
    """A file, which a process that is killed leaves whole; it is readable for its user alone, since it holds a secret."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._next = self._path.with_name(f"{self._path.name}.next")

    def load(self) -> str | None:
        """Raises OSError."""
        try:
            return self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def save(self, place: str) -> None:
        """Raises OSError."""
        descriptor = os.open(self._next, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(place)
        self._next.replace(self._path)


class Place:
    """How far a consumer is."""

    def __init__(self, text: str | None = None) -> None:
        """Raises ValueError where `text` is no place."""
        try:
            value = json.loads(text) if text is not None else {"session": None, "cursor": None, "ids": []}
            self.session: str | None = value["session"]
            self.cursor: str | None = value["cursor"]
            self._ids: OrderedDict[str, None] = OrderedDict.fromkeys(value["ids"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError("what the store holds is no place of a consumer: remove it to begin anew") from error

    def has(self, message_id: str | None) -> bool:
        """Whether an event was dealt with, as far back as is known."""
        return message_id is not None and message_id in self._ids

    def note(self, message_id: str | None, cursor: str | None) -> None:
        """Says that an event was dealt with."""
        if message_id is not None:
            self._ids[message_id] = None
            while len(self._ids) > IDS_MAX:
                self._ids.popitem(last=False)
        if cursor is not None:
            self.cursor = cursor

    def __str__(self) -> str:
        return json.dumps({"session": self.session, "cursor": self.cursor, "ids": list(self._ids)}, separators=(",", ":"))
