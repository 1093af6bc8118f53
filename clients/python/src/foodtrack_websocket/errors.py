"""What can go wrong, as exceptions: the hub's refusals by how to react to them, and what happened without an answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """What the hub says of a refusal (RFC 9457 over HTTP, the same fields over `/ws`)."""

    #: The code of the hub's table of errors, such as `payload_invalid`.
    code: str
    #: Its number: 1000 to 1999 may succeed later, 2000 to 2999 wants a new connection, 3000 to 3999 a new request.
    number: int
    #: A sentence that says what to do.
    detail: str
    #: The answer's HTTP status; absent over `/ws`.
    status: int | None = None
    #: The event that was refused.
    event: str | None = None
    #: A JSON pointer to the part of the request that breaks `rule`.
    pointer: str | None = None
    rule: str | None = None
    #: When the same request may succeed, in milliseconds from the answer.
    retry_after_ms: int | None = None

    @staticmethod
    def of(value: object) -> Problem | None:
        """Reads a problem document, or the `error` of an acknowledgement; `None` where `value` is neither."""
        if not isinstance(value, dict):
            return None
        code, number, detail = value.get("code"), value.get("number"), value.get("detail", value.get("message"))
        if not isinstance(code, str) or type(number) is not int or not isinstance(detail, str):
            return None
        return Problem(
            code=code,
            number=number,
            detail=detail,
            status=_whole(value.get("status")),
            event=_text(value.get("event")),
            pointer=_text(value.get("pointer")),
            rule=_text(value.get("rule")),
            retry_after_ms=_whole(value.get("retryAfterMs")),
        )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: object) -> int | None:
    return value if type(value) is int else None


def retry_after_ms(header: str | None) -> int | None:
    """What a `Retry-After` in seconds says, in milliseconds."""
    return int(header) * 1_000 if header and header.isascii() and header.isdecimal() else None


class HubError(Exception):
    """Something was refused or failed; its text says what to do."""

    #: Whether the same request may succeed later.
    is_retryable: bool = False
    #: When it may, in milliseconds; `None` where nobody said.
    retry_after_ms: int | None = None


class UnreachableError(HubError):
    """There was no connection to the hub, or it broke before an answer."""

    is_retryable = True


class UnansweredError(HubError):
    """No answer came in time. Nobody knows whether it was done."""

    is_retryable = True


class UnexpectedAnswerError(HubError):
    """What answered is no hub, or something in front of the hub answered."""

    def __init__(self, status: int, text: str, retry_after_ms: int | None = None) -> None:
        super().__init__(f"{status}: {text[:200]}")
        self.status = status
        self.retry_after_ms = retry_after_ms
        self.is_retryable = status in (408, 429) or status >= 500


class ProblemError(HubError):
    """The hub said no: `problem` has its code and what to do."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.code}: {problem.detail}")
        self.problem = problem
        self.retry_after_ms = problem.retry_after_ms

    @property
    def code(self) -> str:
        """The code of the hub's table of errors."""
        return self.problem.code

    @staticmethod
    def of(problem: Problem) -> ProblemError:
        """The exception that says how to react to `problem`."""
        if problem.number < 2_000:
            return TemporaryError(problem)
        if problem.number < 3_000 or problem.code.startswith("token_"):
            return TokenError(problem)
        return RefusedError(problem)


class TemporaryError(ProblemError):
    """Codes 1000 to 1999: nothing was done (but for `timeout`), and the same request may succeed later."""

    is_retryable = True


class TokenError(ProblemError):
    """The token, or the connection that it opened, is not good (any more)."""


class RefusedError(ProblemError):
    """Codes 3000 to 3999: the same request will be refused again."""


class EndedError(HubError):
    """The hub has ended a connection for good: over HTTP, or because the device has connected anew (`problem` says so)."""

    def __init__(self, problem: Problem | None) -> None:
        super().__init__(f"the hub has ended the connection: {problem.detail if problem else 'it was disconnected'}")
        self.problem = problem


class SignatureError(Exception):
    """A request is not the hub's, or not of now: answer it with 401."""


class BodyError(Exception):
    """A signed request has a body that is none of the hub's: answer it with 400."""
