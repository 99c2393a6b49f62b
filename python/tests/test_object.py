"""What a `Log` is to Python: a context manager, a representation, a value that is handed on, documented."""

import ast
import gc
import inspect
import os
import pickle
import subprocess
import sys
import weakref
from pathlib import Path

import auditq
import pytest
from conftest import ROOT


def test_a_context_manager(small):
    with auditq.Log(small.path) as log:
        assert not log.closed
    assert log.closed
    with pytest.raises(KeyError), auditq.Log(small.path) as log:
        raise KeyError
    assert log.closed


def test_the_representation_says_what_it_is(small):
    log = auditq.Log(small.path, "baseline")
    assert repr(log) == f"<auditq.Log {str(small.path)!r} mode=\"baseline\">"
    assert (log.path, log.mode) == (str(small.path), "baseline")
    log.close()
    assert repr(log).endswith(" closed>")


def test_the_path_is_that_of_the_beginning(small, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(small.path.parent)
    with auditq.Log(small.path.name) as log:
        monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
        small.append({})
        assert log.page()["count"] == 4
        assert log.path == str(small.path)


def test_a_log_is_handed_on_by_its_path(small):
    with auditq.Log(small.path, "baseline") as log, pickle.loads(pickle.dumps(log)) as other:
        assert (other.path, other.mode) == (log.path, log.mode)
        assert other.page() == log.page()


def test_a_log_nobody_refers_to_is_closed(small):
    before = len(os.listdir("/proc/self/task"))
    log = auditq.Log(small.path)
    log.page()
    gone = weakref.ref(log)
    assert len(os.listdir("/proc/self/task")) > before
    events = log.events()
    del log
    # The iterator keeps what it needs.
    assert gone() is None and len(list(events)) == 3
    del events
    gc.collect()
    assert len(os.listdir("/proc/self/task")) <= before


def test_everything_public_is_documented():
    public = [name for name in dir(auditq) if not name.startswith("_") and name != "auditq"]
    for name in public:
        assert inspect.getdoc(getattr(auditq, name)), name
    for name, member in vars(auditq.Log).items():
        if not name.startswith("_"):
            assert inspect.getdoc(member), name
    for name in ("page", "page_json"):
        doc = inspect.getdoc(getattr(auditq.Log, name))
        assert "Raises" in doc or "exceptions are those of" in doc


def test_the_stubs_name_what_there_is():
    stub = ast.parse((ROOT / "python" / "auditq.pyi").read_text())
    classes = {node.name: node for node in stub.body if isinstance(node, ast.ClassDef)}
    functions = {node.name for node in stub.body if isinstance(node, ast.FunctionDef)}
    # Those that only describe dicts and arguments.
    described = {"Event", "_Request", "Request", "Response", "_Query"}
    public = {name for name in dir(auditq) if not name.startswith("_") and name != "auditq"}
    assert (set(classes) | functions) - described == public
    methods = {node.name: node for node in classes["Log"].body if isinstance(node, ast.FunctionDef)}
    found = {name for name in vars(auditq.Log) if not name.startswith("__")}
    assert {name for name in methods if not name.startswith("__")} == found
    for name in ("page", "page_json", "answer", "count", "events", "follow"):
        arguments = methods[name].args
        stubbed = [argument.arg for argument in arguments.args + arguments.kwonlyargs]
        # For a method that is not bound, Python names self as well.
        assert [name for name in stubbed if name != "self"] == [
            parameter for parameter in inspect.signature(getattr(auditq.Log, name)).parameters if parameter != "self"
        ], name


def test_the_installed_package_has_its_types():
    package = Path(auditq.__file__).parent
    if package.name != "auditq":
        pytest.skip("the module was built by cargo alone: only the wheel has type stubs")
    assert (package / "py.typed").exists() and (package / "__init__.pyi").exists()
    size = sum(file.stat().st_size for file in package.iterdir())
    assert size < 12 << 20, "unpacked; the wheel is a third of that"


def test_the_import_brings_little_along():
    """No module is imported before it is needed: that is what would make the import slow."""
    script = "import os, atexit, sys; before = set(sys.modules); import auditq; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True, text=True)
    assert set(ast.literal_eval(done.stdout)) <= {"auditq", "auditq.auditq"}
