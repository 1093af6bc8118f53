"""FoodTrack's real-time hub for back offices and scripts: publish, and verify what the hub posts."""

from .delivery import Retry
from .errors import (
    BodyError,
    HubError,
    Problem,
    ProblemError,
    RefusedError,
    SignatureError,
    TemporaryError,
    TokenError,
    UnansweredError,
    UnexpectedAnswerError,
    UnreachableError,
)
from .event import Application, Event, Outcome, Priority, Published
from .publisher import Publisher, SyncPublisher
from .signed_requests import (
    SIGNATURE_HEADER,
    LoggedEvent,
    UpstreamRequest,
    WebhookDelivery,
    is_signed_by_hub,
    read_request,
    read_webhook,
)
from .tokens import SyncTokenProvider, TokenProvider, mint_token

__all__ = [
    "SIGNATURE_HEADER",
    "Application",
    "BodyError",
    "Event",
    "HubError",
    "LoggedEvent",
    "Outcome",
    "Priority",
    "Problem",
    "ProblemError",
    "Published",
    "Publisher",
    "RefusedError",
    "Retry",
    "SignatureError",
    "SyncPublisher",
    "SyncTokenProvider",
    "TemporaryError",
    "TokenError",
    "TokenProvider",
    "UnansweredError",
    "UnexpectedAnswerError",
    "UnreachableError",
    "UpstreamRequest",
    "WebhookDelivery",
    "is_signed_by_hub",
    "mint_token",
    "read_request",
    "read_webhook",
]
