"""Requests to the hub's HTTP API as one token's holder, asynchronous and synchronous. Nothing is repeated here, but for a
token that has expired."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import httpx

from .errors import HubError, Problem, ProblemError, UnansweredError, UnexpectedAnswerError, UnreachableError, retry_after_ms
from .tokens import SyncTokenProvider, TokenInUse, TokenProvider, Tokens

TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Request:
    """A POST with JSON."""

    path: str
    body: str
    idempotency_key: str | None = None

    def headers(self, token: str) -> dict[str, str]:
        """With the key where there is one."""
        key = {} if self.idempotency_key is None else {"Idempotency-Key": self.idempotency_key}
        return {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **key}


def data_of(answer: httpx.Response) -> object:
    """The `data` of an answer.

    Raises ProblemError where the hub refuses, UnexpectedAnswerError where something else answered.
    """
    try:
        value = answer.json()
    except ValueError:
        value = None
    problem = Problem.of(value)
    if problem is not None:
        raise ProblemError.of(problem)
    if answer.is_success and isinstance(value, dict) and "data" in value:
        return value["data"]
    if answer.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
        # The port refuses what is too large before the API has it, in plain text.
        raise ProblemError.of(Problem("payload_too_large", 3_105, answer.text[:200], status=answer.status_code))
    raise UnexpectedAnswerError(answer.status_code, answer.text, retry_after_ms(answer.headers.get("Retry-After")))


def _is_tls(url: str) -> bool:
    """Certificates are read, which takes a while, where there is one to verify."""
    return not url.startswith("http:")


def _error_of(error: httpx.TransportError, url: str) -> HubError:
    if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
        return UnansweredError(f"{url} did not answer in time")
    return UnreachableError(f"{url} cannot be reached: {error or type(error).__name__}")


class HubHttp:
    """Asynchronous; connections stay open until `close`. It belongs to one event loop."""

    def __init__(self, url: str, token: TokenProvider, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.url = url.rstrip("/")
        self._tokens = Tokens(token)
        self._client = httpx.AsyncClient(timeout=timeout_seconds, trust_env=False, verify=_is_tls(url))

    async def post(self, request: Request) -> object:
        """Sends a request once; answers its `data`.

        Raises HubError, and whatever the function that gives tokens raises.
        """
        token = await self._tokens.get()
        try:
            return await self._once(request, token)
        except ProblemError as error:
            if error.code != "token_expired" or not self._tokens.give_up(token):
                raise
            return await self._once(request, await self._tokens.get())

    async def _once(self, request: Request, token: str) -> object:
        try:
            answer = await self._client.post(self.url + request.path, content=request.body, headers=request.headers(token))
        except httpx.TransportError as error:
            raise _error_of(error, self.url) from error
        return data_of(answer)

    async def close(self) -> None:
        """Closes its connections."""
        await self._client.aclose()


class SyncHubHttp:
    """Synchronous; may be used by several threads."""

    def __init__(self, url: str, token: SyncTokenProvider, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.url = url.rstrip("/")
        self._provider = token
        self._token = TokenInUse(token)
        self._asking = threading.Lock()
        self._client = httpx.Client(timeout=timeout_seconds, trust_env=False, verify=_is_tls(url))

    def post(self, request: Request) -> object:
        """Sends a request once; answers its `data`.

        Raises HubError, and whatever the function that gives tokens raises.
        """
        token = self._current()
        try:
            return self._once(request, token)
        except ProblemError as error:
            if error.code != "token_expired" or not self._token.give_up(token):
                raise
            return self._once(request, self._current())

    def _current(self) -> str:
        """The token in use; asks for a new one where it is about to end."""
        with self._asking:
            if (token := self._token.get()) is not None:
                return token
            assert not isinstance(self._provider, str)  # noqa: S101 (a fixed token never ends here)
            return self._token.put(self._provider())

    def _once(self, request: Request, token: str) -> object:
        try:
            answer = self._client.post(self.url + request.path, content=request.body, headers=request.headers(token))
        except httpx.TransportError as error:
            raise _error_of(error, self.url) from error
        return data_of(answer)

    def close(self) -> None:
        """Closes its connections."""
        self._client.close()
