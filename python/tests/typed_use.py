"""What a user writes, for a type checker: mypy --strict finds nothing to say. Not run."""

from pathlib import Path
from typing import Iterator

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
