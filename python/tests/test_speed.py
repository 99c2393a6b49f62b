"""The ratios that must hold, measured in turn by the frozen runner. AUDITQ_PYTHON_MEASURE=1 on a quiet machine."""

import json
import os
import statistics
import subprocess
import sys

import pytest
from conftest import ROOT

pytestmark = pytest.mark.skipif(
    not os.environ.get("AUDITQ_PYTHON_MEASURE"), reason="AUDITQ_PYTHON_MEASURE is not set: it wants a quiet machine"
)


def measure(dataset, services, *arguments):
    """Measure services in turn; return the medians of each, by name."""
    command = [sys.executable, "-B", str(ROOT / "fixtures" / "bridge" / "measure.py"), "--data-dir", str(dataset)]
    done = subprocess.run(
        [*command, "--service", *services, *arguments], stdout=subprocess.PIPE, check=True, text=True
    )
    print(done.stdout)
    return {line["service"]: line for line in map(json.loads, done.stdout.splitlines())}


def test_legacy_on_sixteen_threads(dataset):
    found = measure(dataset, ["baseline", "bridge", "package", "ceiling"], "--turns", "5")
    package = found["package"]
    assert package["rps"] >= 0.55 * found["ceiling"]["rps"]
    assert package["rps"] >= 3.5 * found["bridge"]["rps"]
    assert package["rps"] >= 150 * found["baseline"]["rps"]
    assert package["p99_ms"] < found["bridge"]["p99_ms"]


def test_deep_on_sixteen_threads(dataset):
    found = measure(dataset, ["bridge", "package"], "--turns", "5", "--stream", "deep")
    assert found["package"]["rps"] >= 2 * found["bridge"]["rps"]


def test_a_cold_start(dataset):
    """Imported, nothing asked: 240 requests on 20 threads."""
    how = ["--turns", "15", "--cold", "--total", "240", "--concurrency", "20"]
    found = measure(dataset, ["package", "ceiling"], *how)
    assert found["package"]["rps"] >= 0.5 * found["ceiling"]["rps"]


def test_the_import_is_quick():
    script = "import time; start = time.perf_counter(); import auditq; print(time.perf_counter() - start)"
    seconds = [
        float(subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True).stdout)
        for _ in range(20)
    ]
    assert statistics.median(seconds) < 0.030
