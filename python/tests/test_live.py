"""Never stale, whoever writes meanwhile; the index is the program's."""

import os
import threading
import time

import auditq
import pytest
from conftest import SmallLog, descriptors, resident_kib

# Commits beside which every answer must be fresh.
COMMITS = int(os.environ.get("AUDITQ_PYTHON_COMMITS", "300"))
# Length of the soak.
SECONDS = float(os.environ.get("AUDITQ_PYTHON_SOAK_SECONDS", "3"))


def test_every_request_sees_the_commit_before_it(small):
    with auditq.Log(small.path) as log:
        for number in range(COMMITS):
            [event] = small.append({"n": number}, created_at=2_000 + number)
            page = log.page(page_size=1)
            assert page["events"][0]["id"] == event and page["events"][0]["payload"] == {"n": number}
            if number % 10 == 0:
                assert log.count() == 3 + number + 1
                assert next(log.events())["id"] == event
        small.execute("DELETE FROM audit_events WHERE id > 3")
        assert log.count() == log.page(page_size=100)["count"] == 3


def test_ten_thousand_requests_beside_a_writer_are_each_fresh(small):
    """Each answer holds at least what was committed before its request, and no more than was begun after it."""
    total = int(os.environ.get("AUDITQ_PYTHON_FRESH_REQUESTS", "10000"))
    committed, stop, failed = [3], threading.Event(), []

    def write():
        while not stop.is_set():
            [event] = small.append({"n": committed[0]}, created_at=2_000)
            committed[0] = event
            time.sleep(0.001)

    def read(count):
        try:
            for _ in range(count):
                before = committed[0]
                newest = log.page(page_size=1)["events"][0]
                # The writer may have committed what it has not said so far.
                assert before <= newest["id"] <= committed[0] + 1
                assert newest["id"] == 3 or newest["payload"] == {"n": newest["id"] - 1}
        except BaseException as error:
            failed.append(error)

    with auditq.Log(small.path) as log:
        writer = threading.Thread(target=write)
        readers = [threading.Thread(target=read, args=(total // 4,)) for _ in range(4)]
        for thread in (writer, *readers):
            thread.start()
        for thread in readers:
            thread.join()
        stop.set()
        writer.join()
    assert not failed, failed[0]
    assert committed[0] > 3


def test_sixteen_threads_under_a_writer_stay_level(tmp_path):
    """No deadlock, no stale answer, descriptors and memory level: in the second half as in the first."""
    small = SmallLog(tmp_path, "wal")
    small.append(*({"n": n, "text": "x" * 500} for n in range(2_000)))
    committed, stop, failed, asked = [2_000], threading.Event(), [], [0]

    def write():
        while not stop.is_set():
            committed[0] = small.append({"n": committed[0]}, created_at=2_000)[0]
            time.sleep(0.005)

    def read(number):
        try:
            while not stop.is_set():
                before = committed[0]
                kind = (number + asked[0]) % 4
                if kind == 0:
                    assert log.page(page_size=1)["events"][0]["id"] >= before
                elif kind == 1:
                    assert log.count() >= before
                elif kind == 2:
                    assert len(log.page(page=7, page_size=50)["events"]) == 50
                else:
                    assert next(log.events())["id"] >= before
                asked[0] += 1
        except BaseException as error:
            failed.append(error)
            stop.set()

    levels = []
    with auditq.Log(tmp_path) as log:
        threads = [threading.Thread(target=read, args=(n,)) for n in range(16)] + [threading.Thread(target=write)]
        for thread in threads:
            thread.start()
        for _ in range(2):
            stop.wait(SECONDS / 2)
            levels.append((descriptors(), resident_kib()))
        stop.set()
        for thread in threads:
            thread.join(120)
        assert not any(thread.is_alive() for thread in threads), "a deadlock"
    small.close()
    assert not failed, failed[0]
    assert asked[0] > 100
    (files, memory), (files_later, memory_later) = levels
    assert files_later <= files + 16
    assert memory_later <= memory * 1.5 + 16_384


def test_the_index_is_the_programs(dataset):
    with auditq.Log(dataset) as log:
        log.count()
        deadline = time.monotonic() + 60
        while not (dataset / "audit.idx").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
    names = {name for name in os.listdir(dataset) if name.startswith("audit.idx")}
    assert "audit.idx" in names
    index = (dataset / "audit.idx").stat()
    assert index.st_mode & 0o777 == (dataset / "audit.db").stat().st_mode & 0o777
    # Who opens the log next builds none.
    with auditq.Log(dataset) as log:
        log.page()
    assert (dataset / "audit.idx").stat().st_mtime_ns == index.st_mtime_ns


def test_notes_go_to_pythons_logging(small, caplog):
    caplog.set_level("DEBUG", "auditq")
    with auditq.Log(small.path) as log:
        log.page()
        small.append({})
        log.page()
        small.append({})
        log.page()
    assert any("index" in record.getMessage() for record in caplog.records if record.name == "auditq")


def test_opening_and_closing_leaves_nothing_behind(small):
    rounds = int(os.environ.get("AUDITQ_PYTHON_OPENS", "500"))
    levels = []
    for number in range(rounds):
        with auditq.Log(small.path) as log:
            assert log.page()["count"] == 3
        if number in (rounds // 2, rounds - 1):
            levels.append((descriptors(), len(os.listdir("/proc/self/task")), resident_kib()))
    (files, threads, memory), (files_later, threads_later, memory_later) = levels
    assert (files, threads) == (files_later, threads_later)
    assert memory_later <= memory * 1.1 + 2_048


def test_events_are_held_a_few_at_a_time(dataset):
    with auditq.Log(dataset) as log:
        events = log.events()
        for _ in range(5_000):
            next(events)
        level = resident_kib()
        assert sum(1 for _ in events) == 45_000
        assert resident_kib() <= level + 16_384


def test_events_are_all_of_one_moment(small):
    small.append(*({"n": n} for n in range(3_000)))
    with auditq.Log(small.path) as log:
        events = log.events()
        ids = [next(events)["id"]]
        small.execute("DELETE FROM audit_events WHERE id % 2 = 0")
        small.append({}, created_at=500)
        ids += [event["id"] for event in events]
    assert ids == list(range(3_003, 0, -1))


@pytest.mark.parametrize("mode", ["enhanced", "baseline"])
def test_both_modes_give_the_same_events(dataset, mode):
    with auditq.Log(dataset, mode) as log:
        ids = [event["id"] for event in log.events(action="UPDATE", actor_id=7)]
        assert len(ids) == log.count(action="UPDATE", actor_id=7)
        pages = [event["id"] for event in log.page(action="UPDATE", actor_id=7, page_size=10_000)["events"]]
        assert ids == pages
