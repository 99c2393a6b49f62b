"""The logs that tests read: the contract's dataset, and small ones of their own."""

import hashlib
import json
import os
import shutil
import sqlite3
import sys
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


class SmallLog:
    """A log to which tests write as the service does: payloads first, then rows, in one commit."""

    def __init__(self, path, journal_mode="delete"):
        self.path = path
        self.payloads = open(path / "payloads.jsonl", "ab")
        # Threads of a test take turns.
        self.db = sqlite3.connect(path / "audit.db", isolation_level=None, check_same_thread=False, timeout=30)
        self.db.execute(f"PRAGMA journal_mode={journal_mode}")
        self.db.executescript(SCHEMA)

    def append(self, *payloads, created_at=1_000, actor_id=1, action="UPDATE"):
        """Append an event for each payload, which is JSON text or an object; return their ids."""
        rows = []
        for payload in payloads:
            text = payload if isinstance(payload, (str, bytes)) else json.dumps(payload)
            line = (text if isinstance(text, bytes) else text.encode()) + b"\n"
            rows.append((created_at, actor_id, action, "USER", "USER-1", self.payloads.tell(), len(line)))
            self.payloads.write(line)
        self.payloads.flush()
        self.db.execute("BEGIN IMMEDIATE")
        ids = [
            self.db.execute("INSERT INTO audit_events VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", row).lastrowid
            for row in rows
        ]
        self.db.execute("COMMIT")
        return ids

    def close(self):
        self.payloads.close()
        self.db.close()


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
def baseline(dataset):
    """The frozen Python service on that dataset, as a module."""
    import importlib.util

    path = ROOT / "fixtures" / "baseline" / "audit_log_service.py"
    spec = importlib.util.spec_from_file_location("baseline_service", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    module.DB_PATH = str(dataset / "audit.db")
    module.PAYLOAD_FILE = str(dataset / "payloads.jsonl")
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


def descriptors():
    """How many files this process has open."""
    return len(os.listdir("/proc/self/fd"))
