"""Whatever is passed or found: an exception of the hierarchy, in one line, and never a panic."""

import os
import pickle
import sqlite3

import auditq
import pytest


def test_the_hierarchy():
    for error in (auditq.RequestError, auditq.LogError, auditq.EventError):
        assert error.__bases__ == (auditq.AuditqError,)
    assert auditq.SharedLogError.__bases__ == (auditq.LogError,)
    assert auditq.PayloadError.__bases__ == (auditq.EventError,)
    assert auditq.AuditqError.__bases__ == (Exception,)


REFUSED = [
    dict(page=0), dict(page=-1), dict(page_size=0), dict(page_size=-1), dict(page_size=10_001), dict(page=2**62),
    dict(page=1, after="1:2"), dict(after=""), dict(after="1"), dict(after="1:2:3"), dict(after="x" * 10**6),
    dict(after="\x1b[31m:1"),
]  # fmt: skip
NO_NUMBERS = [dict(page="1"), dict(page=1.0), dict(page_size=None), dict(from_ts=None), dict(to_ts=0.5),
              dict(actor_id="7"), dict(action=7), dict(action=b"UPDATE"), dict(after=7), dict(pages=1)]  # fmt: skip


@pytest.mark.parametrize("mode", ["enhanced", "baseline"])
def test_requests_that_are_refused(small, mode):
    with auditq.Log(small.path, mode) as log:
        for ask in (log.page, log.page_json):
            for request in REFUSED:
                with pytest.raises(auditq.RequestError) as caught:
                    ask(**request)
                assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value)
            for request in NO_NUMBERS:
                with pytest.raises(TypeError):
                    ask(**request)
            for number in (2**63, -(2**63) - 1, 10**400):
                for name in ("from_ts", "to_ts", "actor_id"):
                    with pytest.raises(OverflowError):
                        ask(**{name: number})
                for name in ("page", "page_size"):
                    with pytest.raises((OverflowError, auditq.RequestError)):
                        ask(**{name: number})
            with pytest.raises(UnicodeEncodeError):
                ask(action="\ud800")
        assert log.page(from_ts=-(2**63), to_ts=2**63 - 1, actor_id=2**63 - 1, action="\0é")["count"] == 0
        with pytest.raises(auditq.RequestError):
            log.events(after="x")


def test_an_unknown_mode_is_refused(small):
    with pytest.raises(auditq.RequestError, match="enhanced"):
        auditq.Log(small.path, "fast")
    with pytest.raises(TypeError):
        auditq.Log(None)


def test_a_log_that_is_not_there_is_said(tmp_path):
    for path in (tmp_path, tmp_path / "missing", tmp_path / "a\nb", b"/".decode() + "x" * 5_000):
        for mode in ("enhanced", "baseline"):
            with pytest.raises(auditq.LogError) as caught:
                auditq.Log(path, mode)
            assert "\n" not in str(caught.value)


def test_a_log_that_goes_away_is_said(small):
    log = auditq.Log(small.path)
    assert log.page()["count"] == 3
    os.rename(small.path / "audit.db", small.path / "elsewhere.db")
    for ask in (log.page, log.page_json, log.count, lambda: list(log.events())):
        with pytest.raises(auditq.LogError, match="audit.db"):
            ask()
    os.rename(small.path / "elsewhere.db", small.path / "audit.db")
    assert log.page()["count"] == 3
    log.close()


def test_a_file_that_is_no_database_is_said(tmp_path):
    (tmp_path / "audit.db").write_bytes(b"no database" * 1_000)
    (tmp_path / "payloads.jsonl").touch()
    with auditq.Log(tmp_path) as log:
        for ask in (log.page, log.count):
            with pytest.raises(auditq.LogError, match="no SQLite database"):
                ask()


ROTTEN = ["{", "", "nul", '{"a": 1} x', "[1,]", "01", "+1", '"\x01"', '"\\x"', "[" * 2_000, b"\xff", b'"\xed\xa0\x80"']


@pytest.mark.parametrize("text", ROTTEN, ids=lambda text: repr(text[:12]))
def test_a_rotten_payload_names_event_and_place(small, text):
    [event] = small.append(text)
    [row] = small.execute("SELECT payload_offset, payload_len FROM audit_events WHERE id = ?", (event,))
    small.append({"n": 5})
    said = set()
    for mode in ("enhanced", "baseline"):
        with auditq.Log(small.path, mode) as log:
            for ask in (log.page, log.page_json):
                with pytest.raises(auditq.PayloadError) as caught:
                    ask()
                error = caught.value
                assert (error.event, error.offset, error.length, error.cursor) == (event, *row, None)
                assert f"event {event}" in str(error) and "\n" not in str(error)
                said.add(str(error))
                # It is handed on between processes.
                assert pickle.loads(pickle.dumps(error)).event == event
            given = []
            with pytest.raises(auditq.PayloadError) as caught:
                for found in log.events():
                    given.append(found["id"])
            assert given == [event + 1]
            assert (caught.value.event, caught.value.cursor) == (event, f"1000:{event}")
            assert [found["id"] for found in log.events(after=caught.value.cursor)] == [3, 2, 1]
            assert log.page(page_size=1)["events"][0]["id"] == event + 1
    assert len(said) == 1


def test_an_iterator_ends_behind_its_error(small):
    small.append("{")
    with auditq.Log(small.path) as log:
        events = log.events()
        with pytest.raises(auditq.PayloadError):
            next(events)
        assert list(events) == []


def test_a_rotten_row_names_its_event(small):
    small.execute("UPDATE audit_events SET actor_id = 'x' WHERE id = 2")
    for mode in ("enhanced", "baseline"):
        with auditq.Log(small.path, mode) as log:
            with pytest.raises(auditq.EventError) as caught:
                log.page()
            assert caught.value.event == 2 and not isinstance(caught.value, auditq.PayloadError)
            assert log.page(page_size=1)["events"][0]["id"] == 3


def test_errors_are_those_of_the_baseline(small):
    """The same text in both modes, whatever is wrong."""
    rows = [("payload_offset", 10**9), ("payload_len", -1), ("payload_len", 2**62), ("payload_offset", -5),
            ("created_at", "x"), ("action", b"\xff"), ("resource_id", None), ("payload_len", 2)]  # fmt: skip
    small.execute("PRAGMA writable_schema=ON")
    small.execute("UPDATE sqlite_schema SET sql = replace(sql, ' NOT NULL', '')")
    small.execute("PRAGMA writable_schema=RESET")
    for column, value in rows:
        [before] = small.execute(f"SELECT {column} FROM audit_events WHERE id = 2")
        try:
            small.execute(f"UPDATE audit_events SET {column} = ? WHERE id = 2", (value,))
        except sqlite3.Error:
            continue
        said = []
        for mode in ("enhanced", "baseline"):
            with auditq.Log(small.path, mode) as log:
                try:
                    said.append(log.page())
                except auditq.AuditqError as error:
                    said.append((type(error), str(error), vars(error)))
        assert said[0] == said[1], (column, value)
        small.execute(f"UPDATE audit_events SET {column} = ? WHERE id = 2", before)


def test_a_closed_log_answers_nothing(small):
    log = auditq.Log(small.path)
    events = log.events()
    log.close()
    log.close()
    assert log.closed
    for ask in (log.page, log.page_json, log.count, log.events, lambda: next(events)):
        with pytest.raises(auditq.RequestError, match="closed"):
            ask()
