"""What a user writes, for a type checker: mypy --strict finds nothing to say. Not run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Optional

import auditq


def newest(path: Path) -> "auditq.Event | None":
    with auditq.Log(path, mode="baseline") as log:
        response: auditq.Response = log.page(from_ts=0, action="UPDATE", page=1, page_size=1)
        return response["events"][0] if response["count"] else None


def actors(log: auditq.Log) -> Iterator[int]:
    try:
        for event in log.events(actor_id=None, after="1767052800:17"):
            yield event["actor_id"]
    except auditq.PayloadError as error:
        print(error.event, error.offset, error.length, error.cursor)


def text(log: auditq.Log) -> str:
    total: int = log.count()
    return f"{log!r} {log.path} {log.mode} {log.closed} {total} {log.page_json().decode()}"


def deleted(log: auditq.Log, after: str) -> Iterator[str]:
    for event in log.follow(action="DELETE", after=after):
        yield event["resource_id"]


@dataclass(frozen=True)
class Query:
    from_ts: int
    to_ts: int
    actor_id: Optional[int]
    action: Optional[str]
    page: int
    page_size: int


def of_object(log: auditq.Log) -> int:
    return log.answer(Query(0, 1767052800, None, "UPDATE", 1, 20))["count"]
