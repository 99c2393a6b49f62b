"""The logs that tests read: the contract's dataset, and small ones of their own."""

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "fixtures" / "bridge"))
sys.dont_write_bytecode = True

SCHEMA = """
CREATE TABLE audit_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, created_at INTEGER NOT NULL,
    actor_id INTEGER NOT NULL, action TEXT NOT NULL, resource_type TEXT NOT NULL,
    resource_id TEXT NOT NULL, payload_offset INTEGER NOT NULL, payload_len INTEGER NOT NULL
);
CREATE INDEX idx_created_at ON audit_events (created_at);
"""


# Two SQLites in one process do not see each other's locks, so tests write from another process, as services do.
WRITER = """
import json, sqlite3, sys
def plain(value):
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
for line in sys.stdin:
    found = []
    try:
        for sql, values in json.loads(line):
            cursor = db.execute(sql, [plain(value) for value in values])
            found.append([cursor.lastrowid, cursor.fetchall()])
        answer = {"found": found}
    except sqlite3.Error as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
"""


class SmallLog:
    """A log to which a process writes as the service does: payloads first, then rows, in one commit."""

    def __init__(self, path, journal_mode="delete"):
        self.path = path
        self.payloads = open(path / "payloads.jsonl", "ab")
        self.writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path / "audit.db")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.lock = threading.Lock()
        self.execute(f"PRAGMA journal_mode={journal_mode}")
        for statement in SCHEMA.split(";")[:-1]:
            self.execute(statement)

    def run(self, statements):
        """Run statements one after the other; return each one's last row id and rows."""
        with self.lock:
            self.writer.stdin.write(json.dumps(statements) + "\n")
            self.writer.stdin.flush()
            answer = json.loads(self.writer.stdout.readline())
        if "error" in answer:
            raise sqlite3.Error(answer["error"])
        return answer["found"]

    def execute(self, sql, values=()):
        """Run one statement; return its rows."""
        values = [{"hex": value.hex()} if isinstance(value, bytes) else value for value in values]
        return self.run([(sql, values)])[0][1]

    def append(self, *payloads, created_at=1_000, actor_id=1, action="UPDATE"):
        """Append an event for each payload, which is JSON text or an object; return their ids."""
        rows = []
        for payload in payloads:
            text = payload if isinstance(payload, (str, bytes)) else json.dumps(payload)
            line = (text if isinstance(text, bytes) else text.encode()) + b"\n"
            rows.append((created_at, actor_id, action, "USER", "USER-1", self.payloads.tell(), len(line)))
            self.payloads.write(line)
        self.payloads.flush()
        insert = "INSERT INTO audit_events VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)"
        found = self.run([("BEGIN IMMEDIATE", ()), *((insert, row) for row in rows), ("COMMIT", ())])
        return [row_id for row_id, _ in found[1:-1]]

    def close(self):
        self.payloads.close()
        self.writer.stdin.close()
        self.writer.wait()
        self.writer.stdout.close()


@pytest.fixture(params=["delete", "wal"])
def small(request, tmp_path):
    """A log of a few events, in both journal modes."""
    log = SmallLog(tmp_path, request.param)
    log.append({"n": 1}, {"n": 2}, {"n": 3})
    yield log
    log.close()


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """A copy of the contract's dataset: AUDITQ_DATA_DIR, else data/."""
    source = Path(os.environ.get("AUDITQ_DATA_DIR") or ROOT / "data")
    if not (source / "audit.db").exists():
        pytest.fail(f"{source}: there is no dataset: auditq seed makes it")
    copy = tmp_path_factory.mktemp("dataset")
    for name in ("audit.db", "payloads.jsonl"):
        shutil.copy(source / name, copy)
    return copy


@pytest.fixture(scope="session")
def baseline(dataset, tmp_path_factory):
    """The frozen Python service as a module, on a copy of its own: its SQLite is another one."""
    import importlib.util

    copy = tmp_path_factory.mktemp("baseline")
    for name in ("audit.db", "payloads.jsonl"):
        shutil.copy(dataset / name, copy)

    path = ROOT / "fixtures" / "baseline" / "audit_log_service.py"
    spec = importlib.util.spec_from_file_location("baseline_service", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    module.DB_PATH = str(copy / "audit.db")
    module.PAYLOAD_FILE = str(copy / "payloads.jsonl")
    return module


def sha256(lines):
    """The digest of lines of bytes, each with its newline."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line)
    return digest.hexdigest()


def resident_kib():
    """This process's resident memory."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def descriptors(path=None):
    """How many files this process has open, or how often it has this one."""
    numbers = os.listdir("/proc/self/fd")
    if path is None:
        return len(numbers)
    opened = 0
    for number in numbers:
        try:
            opened += os.path.samefile(f"/proc/self/fd/{number}", path)
        except OSError:
            # One of them is closed by now, or there is no such file yet.
            pass
    return opened
