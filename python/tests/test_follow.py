"""`Log.follow`: what becomes visible, as it becomes visible."""

import logging
import os
import signal
import statistics
import threading
import time

import auditq
import pytest
from conftest import descriptors
from test_processes import run

PATIENCE = 60


class Following:
    """A thread that follows a log, and what it got so far."""

    def __init__(self, events):
        self.got, self.raised, self.changed = [], None, threading.Condition()
        self.thread = threading.Thread(target=self.read, args=(events,), daemon=True)
        self.thread.start()

    def read(self, events):
        try:
            for event in events:
                with self.changed:
                    self.got.append(event)
                    self.changed.notify_all()
        except Exception as error:
            self.raised = error

    def ids(self, count):
        """Wait for so many events; return the ids of all there are."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.got) >= count, PATIENCE), self.got
            return [event["id"] for event in self.got]

    def join(self):
        """Wait for the end; return what was raised."""
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        return self.raised


@pytest.mark.parametrize("mode", ["enhanced", "baseline"])
def test_what_becomes_visible_is_told_in_order(small, mode):
    log = auditq.Log(small.path, mode)
    following = Following(log.follow())
    for n in range(20):
        small.append({"n": n}, {"n": -n}, created_at=2_000 + n)
    assert following.ids(40) == list(range(4, 44))
    # Late, and under a lower id than others.
    small.execute("DELETE FROM audit_events WHERE id = 2")
    small.append({"late": True}, created_at=1)
    assert following.ids(41) == list(range(4, 45))
    assert following.got == sorted(log.page(page_size=41, from_ts=2_000)["events"] + log.page(to_ts=1)["events"],
                                   key=lambda event: event["id"])  # fmt: skip
    small.execute("UPDATE audit_events SET action = 'CHANGED' WHERE id = 1")
    assert following.ids(42)[41:] == [1] and following.got[41]["action"] == "CHANGED"
    log.close()
    assert following.join() is None


def test_only_what_matches_is_told(small):
    log = auditq.Log(small.path)
    following = Following(log.follow(2_000, 3_000, 7, "CREATE"))
    small.append({}, created_at=2_500, actor_id=8, action="CREATE")
    small.append({}, created_at=2_500, actor_id=7, action="DELETE")
    small.append({}, created_at=3_001, actor_id=7, action="CREATE")
    small.append({}, created_at=3_000, actor_id=7, action="CREATE")
    assert following.ids(1) == [7]
    log.close()
    assert following.join() is None and len(following.got) == 1


@pytest.mark.parametrize("mode", ["enhanced", "baseline"])
def test_behind_a_cursor_what_is_newer_comes_first(small, mode):
    with auditq.Log(small.path, mode) as log:
        events = log.follow(after="1000:1")
        assert [next(events)["id"] for _ in range(2)] == [2, 3]
        small.append({})
        assert next(events)["id"] == 4
        assert iter(events) is events
        with pytest.raises(auditq.RequestError):
            log.follow(after="x")


def test_what_is_removed_is_logged(small, caplog):
    log = auditq.Log(small.path)
    following = Following(log.follow())
    with caplog.at_level(logging.WARNING, "auditq"):
        small.execute("DELETE FROM audit_events WHERE id = 2")
        small.append({})
        assert following.ids(1) == [4]
    assert [(record.name, record.getMessage()) for record in caplog.records] == [("auditq", "removed: 1000:2")]
    log.close()
    assert following.join() is None


def test_behind_an_event_that_cannot_be_shown_it_goes_on(small):
    with auditq.Log(small.path) as log:
        events = log.follow()
        small.append("{", {}, created_at=2_000)
        with pytest.raises(auditq.PayloadError) as found:
            next(events)
        assert (found.value.event, found.value.cursor) == (4, "2000:4")
        assert next(events)["id"] == 5


def test_a_closed_log_ends_it(small):
    log = auditq.Log(small.path)
    waiting, unread = Following(log.follow()), log.follow()
    time.sleep(0.1)
    log.close()
    assert waiting.join() is None and waiting.got == []
    assert list(unread) == []
    with pytest.raises(auditq.RequestError, match="closed"):
        log.follow()


def test_a_log_is_closed_soon_although_a_thread_follows_it(small):
    """Most of the time a feed waits, and has its lock while it does."""
    seconds = []
    for _ in range(9):
        log = auditq.Log(small.path)
        following = Following(log.follow())
        small.append({})
        following.ids(1)
        start = time.monotonic()
        log.close()
        seconds.append(time.monotonic() - start)
        assert following.join() is None
    # A busy machine holds up one or the other.
    assert statistics.median(seconds) < 0.5, seconds


def test_a_log_that_is_not_there(tmp_path, small):
    log = auditq.Log(small.path)
    events = log.follow()
    (small.path / "payloads.jsonl").rename(tmp_path / "away")
    small.append({})
    with pytest.raises(auditq.LogError):
        next(events)
    assert list(events) == []


def test_an_iterator_is_for_one_thread(small):
    log = auditq.Log(small.path)
    events = log.follow()
    following = Following(events)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            # Before the other thread is at it, this one waits for an event.
            small.append({})
            next(events)
        except auditq.RequestError as error:
            assert "another thread" in str(error)
            break
        assert time.monotonic() < deadline
    log.close()
    assert following.join() is None or "another thread" in str(following.raised)


@pytest.fixture
def interruptible():
    """Who starts the tests in the background of a script has SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_the_wait(small, interruptible):
    with auditq.Log(small.path) as log:
        events = log.follow()
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        # So that the test fails and does not hang where nothing comes of the signal.
        in_vain = threading.Timer(PATIENCE, log.close)
        in_vain.start()
        with pytest.raises(KeyboardInterrupt):
            # In here: on a busy machine the signal may come before the wait.
            timer.start()
            next(events)
        in_vain.cancel()
        timer.join()
        small.append({})
        assert next(events)["id"] == 4


def test_many_leave_nothing_open(small):
    with auditq.Log(small.path) as log:
        log.page()
        events = log.follow()
        small.append({})
        next(events)
        del events
        # Its index is made beside the answers, and kept open from then on.
        deadline = time.monotonic() + PATIENCE
        while descriptors(small.path / "audit.idx") == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        before = descriptors()
        for _ in range(20):
            events = log.follow()
            small.append({})
            assert next(events)["id"] > 3
            del events
        assert descriptors() <= before + 1


def test_a_fork_in_between(small):
    """The parent misses nothing; the child cannot go on, but begins its own."""
    small.append({})
    run(
        """
        import sqlite3, subprocess
        # Two SQLites in one process: writers are others.
        def insert():
            statement = "INSERT INTO audit_events SELECT NULL, 5000, 1, 'A', 'B', 'C', 0, payload_len FROM audit_events LIMIT 1"
            code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=30); c.execute(sys.argv[2]); c.commit()"
            subprocess.run([sys.executable, "-c", code, PATH + "/audit.db", statement], check=True)
        log = auditq.Log(PATH)
        events = log.follow()
        got = []
        def read():
            for event in events:
                got.append(event["id"])
        thread = threading.Thread(target=read)
        thread.start()
        for n in range(5):
            pid = os.fork()
            if not pid:
                try:
                    next(log.follow(after="4000:1")) if n else None
                    next(events)
                except auditq.RequestError as error:
                    # The thread that read it is not here.
                    os._exit(0)
                os._exit(1)
            insert()
            assert os.waitpid(pid, 0)[1] == 0
        deadline = time.monotonic() + 60
        while len(got) < 5:
            assert time.monotonic() < deadline, got
            time.sleep(0.01)
        log.close()
        thread.join()
        assert got == [5, 6, 7, 8, 9], got
        """,
        small.path,
    )


def test_another_sqlite_ends_it(small):
    run(
        """
        import sqlite3
        log = auditq.Log(PATH)
        events = log.follow()
        conn = sqlite3.connect(PATH + "/audit.db")
        try:
            next(events)
        except auditq.SharedLogError:
            pass
        else:
            raise AssertionError
        try:
            log.follow()
        except auditq.SharedLogError:
            pass
        else:
            raise AssertionError
        """,
        small.path,
    )


def test_the_interpreter_ends_although_a_thread_follows(small):
    run(
        """
        log = auditq.Log(PATH)
        threading.Thread(target=lambda: list(log.follow()), daemon=True).start()
        time.sleep(0.2)
        """,
        small.path,
    )
