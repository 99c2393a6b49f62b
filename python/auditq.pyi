"""Pages of an audit log, newest first: exactly those of the live service."""

import os
from types import TracebackType
from typing import Any, Iterator, Literal, Optional, Protocol, Type, TypedDict, final

__version__: str

class Event(TypedDict):
    """One event; `created_at` in epoch seconds, `payload` as json.loads has it."""

    id: int
    created_at: int
    actor_id: int
    action: str
    resource_type: str
    resource_id: str
    payload: Any

class _Request(TypedDict):
    from_ts: int
    to_ts: int
    actor_id: Optional[int]
    action: Optional[str]

class Request(_Request, total=False):
    """The request, as it is echoed: `page`, or `after` in its place."""

    page: int
    after: str
    page_size: int
    as_of: str

class Response(TypedDict):
    """A page: `count` is the number of its events."""

    query: Request
    events: list[Event]
    count: int

class AuditqError(Exception):
    """There is no answer. The text is one line."""

class RequestError(AuditqError):
    """The request is refused: a number out of range, an unknown mode, a closed log."""

class LogError(AuditqError):
    """The log cannot be read: it is missing, locked, damaged, or no audit log."""

class SharedLogError(LogError):
    """This process has the log open by Python's sqlite3, too.

    Two copies of SQLite in one process do not see each other's locks: write to
    the log from another process, or ask it by another process.
    """

class EventError(AuditqError):
    """One event cannot be shown, because its row is invalid."""

    event: int
    """Its id."""
    cursor: Optional[str]
    """Where every event was asked for: `after` this goes on behind it."""

class PayloadError(EventError):
    """One event cannot be shown, because its payload is invalid or missing."""

    offset: int
    """Where the database says that it starts in payloads.jsonl, in bytes."""
    length: int
    """Its length as the database says, in bytes, with the newline."""

class _Query(Protocol):
    """A request object, such as the service's own."""

    @property
    def from_ts(self) -> int: ...
    @property
    def to_ts(self) -> int: ...
    @property
    def actor_id(self) -> Optional[int]: ...
    @property
    def action(self) -> Optional[str]: ...
    @property
    def page(self) -> int: ...
    @property
    def page_size(self) -> int: ...

@final
class Log:
    """An audit log: the directory with audit.db and payloads.jsonl.

    Any number of threads may ask at once; a forked child may ask at once, too.
    Every answer is of a state that the log has after the question. Numbers are
    64 bits wide: others are an OverflowError, and what is no number a TypeError.
    """

    def __new__(
        cls,
        path: "str | os.PathLike[str]",
        mode: Literal["enhanced", "baseline"] = "enhanced",
    ) -> "Log": ...
    def page(
        self,
        from_ts: int = ...,
        to_ts: int = ...,
        actor_id: Optional[int] = None,
        action: Optional[str] = None,
        page: Optional[int] = 1,
        page_size: int = 20,
        *,
        after: Optional[str] = None,
        as_of: Optional[str] = None,
    ) -> Response:
        """The response to one request: a dict equal to the service's."""

    def answer(self, query: "_Query | Request | dict[str, Any]") -> Response:
        """The response to a request object or dict: `page` of its six attributes or items, each exactly of its type."""

    def page_json(
        self,
        from_ts: int = ...,
        to_ts: int = ...,
        actor_id: Optional[int] = None,
        action: Optional[str] = None,
        page: Optional[int] = 1,
        page_size: int = 20,
        *,
        after: Optional[str] = None,
        as_of: Optional[str] = None,
    ) -> bytes:
        """The same as a line of JSON, with its newline; payloads as stored."""

    def count(
        self,
        from_ts: int = ...,
        to_ts: int = ...,
        actor_id: Optional[int] = None,
        action: Optional[str] = None,
        *,
        as_of: Optional[str] = None,
    ) -> int:
        """How many events match."""

    def events(
        self,
        from_ts: int = ...,
        to_ts: int = ...,
        actor_id: Optional[int] = None,
        action: Optional[str] = None,
        *,
        after: Optional[str] = None,
        as_of: Optional[str] = None,
    ) -> Iterator[Event]:
        """Every event that matches, newest first, in bounded memory, all from one moment of the log."""

    def follow(
        self,
        from_ts: int = ...,
        to_ts: int = ...,
        actor_id: Optional[int] = None,
        action: Optional[str] = None,
        *,
        after: Optional[str] = None,
    ) -> Iterator[Event]:
        """Events as they become visible, without end; behind `after`, first those that are newer by now."""

    def close(self) -> None:
        """Close the files and end the thread that keeps the index; idempotent."""

    @property
    def closed(self) -> bool:
        """Whether the log was closed."""

    @property
    def path(self) -> str:
        """The directory, absolute."""

    @property
    def mode(self) -> Literal["enhanced", "baseline"]:
        """What answers."""

    def __enter__(self) -> "Log": ...
    def __exit__(
        self,
        exception_type: Optional[Type[BaseException]],
        exception: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None: ...

def stream_anchor(path: "str | os.PathLike[str]") -> int:
    """The second, since the epoch, that the service's own request mix ends at on the log in a directory."""
