"""What several tests use: a hub, and both publishers in one shape."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import pytest

from foodtrack_websocket import Event, Outcome, Published, Publisher, Retry, SyncPublisher, SyncTokenProvider
from hub import Hub

QUICK = Retry(pause_seconds=0.005, pause_seconds_max=0.2, give_up_seconds=20.0)


class AnyPublisher(Protocol):
    """A publisher whose methods wait."""

    def publish(self, event: Event, *, idempotency_key: str | None = None) -> Published: ...
    def publish_batch(self, events: Sequence[Event], *, idempotency_key: str | None = None) -> list[Outcome]: ...
    def close(self) -> None: ...


class MakePublisher(Protocol):
    """Makes one that repeats quickly; it is closed behind the test."""

    def __call__(
        self, url: str, token: SyncTokenProvider = ..., *, retry: Retry = ..., timeout_seconds: float = ...
    ) -> AnyPublisher: ...


class _InAnEventLoop:
    """`Publisher`, as a test that knows no event loop uses it."""

    def __init__(self, url: str, token: SyncTokenProvider, *, retry: Retry, timeout_seconds: float) -> None:
        self._runner = asyncio.Runner()
        self._publisher = Publisher(url, token, retry=retry, timeout_seconds=timeout_seconds)

    def publish(self, event: Event, *, idempotency_key: str | None = None) -> Published:
        return self._runner.run(self._publisher.publish(event, idempotency_key=idempotency_key))

    def publish_batch(self, events: Sequence[Event], *, idempotency_key: str | None = None) -> list[Outcome]:
        return self._runner.run(self._publisher.publish_batch(events, idempotency_key=idempotency_key))

    def close(self) -> None:
        self._runner.run(self._publisher.close())
        self._runner.close()


KINDS: dict[str, Callable[..., AnyPublisher]] = {"async": _InAnEventLoop, "sync": SyncPublisher}


@pytest.fixture(params=KINDS)
def make_publisher(request: pytest.FixtureRequest) -> Iterator[MakePublisher]:
    made: list[AnyPublisher] = []

    def make(
        url: str,
        token: SyncTokenProvider = "token",
        *,
        retry: Retry = QUICK,
        timeout_seconds: float = 10.0,
    ) -> AnyPublisher:
        publisher = KINDS[request.param](url, token, retry=retry, timeout_seconds=timeout_seconds)
        made.append(publisher)
        return publisher

    yield make
    for publisher in made:
        publisher.close()


@pytest.fixture(scope="session")
def hub() -> Iterator[Hub]:
    with Hub() as hub:
        yield hub
