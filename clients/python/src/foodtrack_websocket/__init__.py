"""FoodTrack's real-time hub for back offices and scripts: publish, consume, and verify what the hub posts."""

from .consumer import Consumer, Room
from .delivery import Retry
from .errors import (
    BodyError,
    EndedError,
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
from .hub_socket import ReceivedEvent
from .place import FilePlaceStore, PlaceStore
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
    "Consumer",
    "EndedError",
    "Event",
    "FilePlaceStore",
    "HubError",
    "LoggedEvent",
    "Outcome",
    "PlaceStore",
    "Priority",
    "Problem",
    "ProblemError",
    "Published",
    "Publisher",
    "ReceivedEvent",
    "RefusedError",
    "Retry",
    "Room",
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
