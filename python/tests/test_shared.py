"""A log that this process opens by Python's sqlite3, too: another SQLite, whose locks and this one's do not hold."""

import sqlite3
import subprocess
import sys
import textwrap
import threading
import time

import auditq
import pytest
from conftest import descriptors


def run(script, path):
    """Run a Python script in a process of its own: what is open at its start matters."""
    source = "import sqlite3, subprocess, sys\nPATH = sys.argv[1]\n" + textwrap.dedent(script)
    done = subprocess.run([sys.executable, "-c", source, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


SPELLINGS = [
    'PATH + "/audit.db"', '(PATH + "/audit.db").encode()', '__import__("pathlib").Path(PATH, "audit.db")',
    'PATH + "/../" + PATH.split("/")[-1] + "/audit.db"',
    '"file:" + PATH + "/audit.db?mode=rw", uri=True', '"file://" + PATH + "/audit%2Edb", uri=True',
]  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("is_first", [True, False])
def test_what_sqlite3_has_open_is_not_opened(small, spelling, is_first):
    out = run(
        f"""
        if {is_first}:
            conn = sqlite3.connect({spelling})
            conn.execute("SELECT count(*) FROM audit_events").fetchall()
        import auditq
        try:
            log = auditq.Log(PATH)
            assert log.page()["count"] == 3
            conn = sqlite3.connect({spelling})
            for ask in (log.page, log.page_json, log.count, lambda: next(log.events())):
                try:
                    ask()
                except auditq.SharedLogError as error:
                    assert "\\n" not in str(error)
                else:
                    raise AssertionError
            log.close()
            log = auditq.Log(PATH)
        except auditq.SharedLogError:
            print("refused")
        conn.close()
        with auditq.Log(PATH) as log:
            print(log.page()["count"])
        """,
        small.path,
    )
    # Until its first statement, sqlite3 has the file open but no lock; it counts all the same.
    assert out == "refused\n3\n"


def test_no_lock_of_sqlite3_is_lost(small):
    """Another process must not get the lock that this one has, whatever the log does meanwhile."""
    out = run(
        """
        import auditq
        log = auditq.Log(PATH)
        log.page()
        conn = sqlite3.connect(PATH + "/audit.db", isolation_level=None)
        conn.execute("BEGIN IMMEDIATE")
        conn.execute("INSERT INTO audit_events SELECT NULL, 1, 1, 'A', 'B', 'C', 0, 8")
        for ask in (log.page, log.count, log.close, lambda: auditq.Log(PATH), lambda: auditq.stream_anchor(PATH)):
            try:
                ask()
            except auditq.AuditqError:
                pass
        other = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
        done = subprocess.run([sys.executable, "-c", other, PATH + "/audit.db"], stderr=subprocess.PIPE, text=True)
        print("locked" in done.stderr)
        conn.execute("COMMIT")
        """,
        small.path,
    )
    assert out == "True\n"


def connections(small):
    """How many descriptors of a log's database this process has."""
    return descriptors(small.path / "audit.db")


def test_sqlite3_waits_for_an_answer_under_way(small):
    """Or that answer's connection would be closed while sqlite3 has a lock."""
    if small.execute("PRAGMA journal_mode") == [["wal"]]:
        pytest.skip("nobody waits for a lock in WAL mode")
    with auditq.Log(small.path, "baseline") as log:
        released = threading.Event()

        def release():
            released.set()
            small.execute("ROLLBACK")

        small.execute("BEGIN EXCLUSIVE")
        asking = threading.Thread(target=log.page)
        before = connections(small)
        asking.start()
        deadline = time.monotonic() + 60
        while connections(small) == before:
            assert time.monotonic() < deadline, "nobody asks"
            time.sleep(0.001)
        threading.Timer(0.5, release).start()
        conn = sqlite3.connect(small.path / "audit.db")
        assert released.is_set(), "sqlite3 did not wait"
        asking.join()
        conn.close()


def test_other_databases_do_not_matter(small, tmp_path_factory):
    with auditq.Log(small.path) as log:
        for name in (":memory:", "", str(tmp_path_factory.mktemp("other") / "audit.db"), "file::memory:"):
            sqlite3.connect(name, uri=name.startswith("file:")).close()
        small.append({})
        assert log.page()["count"] == 4


def test_audited_events_of_every_kind_pass(small):
    with auditq.Log(small.path) as log:
        sys.audit("sqlite3.connect.of.others", 1, 2)
        sys.audit("sqlite3.connect", b"\xff\0")
        sys.audit("sqlite3.connect", 7)
        sys.audit("sqlite3.connect", "\ud800")
        sys.audit("sqlite3.connect", "file://x%zz%")
        sys.audit("auditq")
        assert log.page()["count"] == 3
