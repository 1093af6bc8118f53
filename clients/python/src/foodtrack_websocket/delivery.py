"""Events on their way to the hub: what to send next, and what an answer means. It does no I/O, so that the asynchronous and
the synchronous publisher do the same."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from .errors import HubError, Problem, ProblemError, RefusedError, UnexpectedAnswerError
from .event import Event, Outcome, Published
from .hub_http import Request

#: The hub's bound of one request.
BATCH_EVENTS_MAX = 1_000
#: Below the hub's default of `limits.payloadBytesMax`, in bytes.
BATCH_BYTES_MAX = 900_000


@dataclass(frozen=True)
class Retry:
    """How what may succeed later is repeated: after growing pauses, give or take a quarter, under the same id."""

    #: The pause after a first failure, doubled for each that follows, in seconds.
    pause_seconds: float = 0.2
    pause_seconds_max: float = 10.0
    #: For how long an event is repeated, in seconds; 0 sends it once.
    give_up_seconds: float = 300.0

    def pause(self, failures: int, retry_after_ms: int | None = None) -> float:
        """How long to wait after so many failures in a row, in seconds; at least as long as the hub says."""
        grown = min(self.pause_seconds * 2.0 ** min(failures, 30), self.pause_seconds_max)
        return max(grown * random.uniform(0.75, 1.25), (retry_after_ms or 0) / 1_000)  # noqa: S311


@dataclass
class _Entry:
    place: int
    json: str


class Delivery:
    """Some events until each has its outcome. `next_request` and `answered` or `failed` take turns."""

    def __init__(
        self, events: Sequence[Event], retry: Retry, idempotency_key: str | None = None, *, is_batch: bool = True
    ) -> None:
        if idempotency_key is not None and len(events) > BATCH_EVENTS_MAX:
            raise ValueError(f"one Idempotency-Key is for one request, of at most {BATCH_EVENTS_MAX} events")
        self._retry = retry
        self._key = idempotency_key
        self._is_batch = is_batch
        # Under a key the hub makes ids of the key and the events' places.
        jsons = (event.to_json(names_itself=idempotency_key is None) for event in events)
        self._waiting = [_Entry(place, json) for place, json in enumerate(jsons)]
        self._sent: list[_Entry] = []
        self._outcomes: dict[int, Outcome] = {}
        self._bytes_max = BATCH_BYTES_MAX
        self._failures = 0
        self._began = time.monotonic()

    def next_request(self) -> Request | None:
        """What to send now; `None` once each event has its outcome."""
        if not self._waiting:
            return None
        count, size = 0, 0
        for entry in self._waiting[:BATCH_EVENTS_MAX]:
            size += len(entry.json) + 1
            # Under a key, all events go in one request.
            if count > 0 and size > self._bytes_max and self._key is None:
                break
            count += 1
        self._sent, self._waiting = self._waiting[:count], self._waiting[count:]
        if self._is_single():
            return Request("/api/v1/publish", self._sent[0].json, self._key)
        body = f'{{"events":[{",".join(entry.json for entry in self._sent)}]}}'
        return Request("/api/v1/publish/batch", body, self._key)

    def answered(self, data: object) -> float:
        """Takes the `data` of an answer; how long to wait before the next request, in seconds."""
        try:
            answers = self._answers(data)
        except HubError as error:
            return self.failed(error)
        held_back: list[_Entry] = []
        reason: HubError | None = None
        for entry, outcome in zip(self._sent, answers, strict=True):
            if isinstance(outcome, HubError) and outcome.is_retryable:
                held_back.append(entry)
                if reason is None or (outcome.retry_after_ms or 0) > (reason.retry_after_ms or 0):
                    reason = outcome
            # Under a key, what was taken is sent again with the others, and answered as a duplicate.
            elif not isinstance(self._outcomes.get(entry.place), Published):
                self._outcomes[entry.place] = outcome
        if len(held_back) < len(self._sent):
            self._failures = 0
        if reason is None:
            return 0.0
        return self._again(held_back if self._key is None else self._sent, held_back, reason)

    def failed(self, error: HubError) -> float:
        """Takes what became of a request that was not answered well; how long to wait, in seconds."""
        if error.is_retryable:
            return self._again(self._sent, self._sent, error)
        culprit = self._culprit(error)
        if culprit is not None:
            self._outcomes[culprit.place] = error
            self._waiting = [entry for entry in self._sent if entry is not culprit] + self._waiting
        elif isinstance(error, RefusedError) and error.code == "payload_too_large" and self._may_split():
            # The hub's bound is lower than this one.
            self._bytes_max = sum(len(entry.json) for entry in self._sent) // 2
            self._waiting = self._sent + self._waiting
        else:
            self._settle(self._sent, error)
        return 0.0

    def outcomes(self) -> list[Outcome]:
        """What became of each event, in their order."""
        return [self._outcomes[place] for place in sorted(self._outcomes)]

    def _answers(self, data: object) -> list[Outcome]:
        if self._is_single():
            return [Published.of(data)]
        if not isinstance(data, list) or len(data) != len(self._sent):
            raise UnexpectedAnswerError(200, f"a batch of {len(self._sent)} events was answered with something else")
        return [_outcome(item) for item in data]

    def _again(self, entries: list[_Entry], unsettled: list[_Entry], error: HubError) -> float:
        pause = self._retry.pause(self._failures, error.retry_after_ms)
        if time.monotonic() + pause - self._began >= self._retry.give_up_seconds:
            self._settle(unsettled, error)
            return 0.0
        self._waiting = entries + self._waiting
        self._failures += 1
        return pause

    def _settle(self, entries: list[_Entry], error: HubError) -> None:
        for entry in entries:
            self._outcomes.setdefault(entry.place, error)

    def _is_single(self) -> bool:
        # Under a key, an event of a batch has another id than one alone.
        return len(self._sent) == 1 and not (self._is_batch and self._key is not None)

    def _may_split(self) -> bool:
        return self._key is None and len(self._sent) > 1

    def _culprit(self, error: HubError) -> _Entry | None:
        """The event that had its batch refused whole, where it is told."""
        if not isinstance(error, ProblemError) or not self._may_split():
            return None
        match = re.match(r"/events/(\d+)(/|$)", error.problem.pointer or "")
        place = int(match[1]) if match else len(self._sent)
        return self._sent[place] if place < len(self._sent) else None


def _outcome(item: object) -> Outcome:
    problem = Problem.of(item)
    if problem is not None:
        return ProblemError.of(problem)
    if not isinstance(item, dict):
        raise UnexpectedAnswerError(200, f"an answer that is none: {item!r}")
    return Published.of(item.get("data"))
