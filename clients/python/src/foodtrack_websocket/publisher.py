"""Publishing for one tenant over the HTTP API, so that each event is taken once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from .delivery import Delivery, Retry
from .errors import HubError
from .event import Event, Outcome, Published
from .hub_http import TIMEOUT_SECONDS, HubHttp, SyncHubHttp
from .tokens import SyncTokenProvider, TokenProvider


class Publisher:
    """Publishes for the tenant of its token. What may succeed later (429, 503, a connection that breaks, no answer) is
    repeated under the id that was made before the first attempt: an event that was taken before its answer was lost is
    answered as a duplicate, and is delivered once.

    Connections stay open until `close`, or the end of `async with`.
    """

    def __init__(
        self, url: str, token: TokenProvider, *, retry: Retry | None = None, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._http = HubHttp(url, token, timeout_seconds)
        self._retry = retry or Retry()

    async def publish(self, event: Event, *, idempotency_key: str | None = None) -> Published:
        """Returns once the hub has the event.

        Under an `idempotency_key` (1 to 255 visible ASCII characters) the event's id follows from tenant and key, so that
        another process may repeat it with the same key.

        Raises HubError where the hub refuses it, or did not take it in time; TypeError or ValueError where it is no JSON.
        """
        return _single(await self._deliver(Delivery([event], self._retry, idempotency_key, is_batch=False)))

    async def publish_batch(self, events: Sequence[Event], *, idempotency_key: str | None = None) -> list[Outcome]:
        """Publishes events in their order; gives what became of each: `Published`, or the HubError that refused it alone.

        Up to 1 000 events and 900 000 bytes go in one request, more in several. Under an `idempotency_key` there is one
        request. An event that the hub refuses for the moment comes behind those of its request that were taken.

        Raises TypeError or ValueError, and publishes nothing, where one of them is no JSON.
        """
        return await self._deliver(Delivery(events, self._retry, idempotency_key))

    async def _deliver(self, delivery: Delivery) -> list[Outcome]:
        while (request := delivery.next_request()) is not None:
            try:
                pause = delivery.answered(await self._http.post(request))
            except HubError as error:
                pause = delivery.failed(error)
            await asyncio.sleep(pause)
        return delivery.outcomes()

    async def close(self) -> None:
        """Closes its connections."""
        await self._http.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class SyncPublisher:
    """`Publisher` for scripts: the same, and its methods wait. Several threads may use one."""

    def __init__(
        self,
        url: str,
        token: SyncTokenProvider,
        *,
        retry: Retry | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._http = SyncHubHttp(url, token, timeout_seconds)
        self._retry = retry or Retry()

    def publish(self, event: Event, *, idempotency_key: str | None = None) -> Published:
        """See `Publisher.publish`."""
        return _single(self._deliver(Delivery([event], self._retry, idempotency_key, is_batch=False)))

    def publish_batch(self, events: Sequence[Event], *, idempotency_key: str | None = None) -> list[Outcome]:
        """See `Publisher.publish_batch`."""
        return self._deliver(Delivery(events, self._retry, idempotency_key))

    def _deliver(self, delivery: Delivery) -> list[Outcome]:
        while (request := delivery.next_request()) is not None:
            try:
                pause = delivery.answered(self._http.post(request))
            except HubError as error:
                pause = delivery.failed(error)
            time.sleep(pause)
        return delivery.outcomes()

    def close(self) -> None:
        """Closes its connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _single(outcomes: list[Outcome]) -> Published:
    (outcome,) = outcomes
    if isinstance(outcome, HubError):
        raise outcome
    return outcome
