"""Threads, forks, signals, and the end of the interpreter. Whatever could hang does so in a process that is killed."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import auditq
import pytest


def run(script, path, seconds=60, **options):
    """Run a Python script; return its output, or fail with what it said."""
    source = textwrap.dedent("import auditq, os, sys, threading, time\nPATH = sys.argv[1]\n") + textwrap.dedent(script)
    command = [sys.executable, "-X", "faulthandler", "-c", source, str(path)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds, text=True, **options
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def test_a_forked_child_asks_at_once(small):
    """Also one of a process whose threads ask without pause, and its grandchild."""
    run(
        """
        log = auditq.Log(PATH)
        events = log.events()
        next(events)
        expected = log.page()
        stop = False
        def ask():
            while not stop:
                assert log.page() == expected and log.count() == 3
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads: thread.start()
        def child(depth):
            pid = os.fork()
            if pid:
                assert os.waitpid(pid, 0)[1] == 0
                return
            assert log.page() == expected and log.count() == 3 and len(list(log.events())) == 3
            try:
                list(events)
            except auditq.RequestError as error:
                assert "forked" in str(error)
            else:
                # What was read ahead needs no log.
                assert True
            if depth:
                child(depth - 1)
            os._exit(0)
        for _ in range(20):
            child(1)
        stop = True
        for thread in threads: thread.join()
        assert [event["id"] for event in events] == [2, 1]
        assert log.page() == expected
        """,
        small.path,
    )


def test_a_child_follows_commits_and_leaves_the_parent_alone(small):
    with auditq.Log(small.path) as log:
        log.page()
        ready, go = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                assert log.page()["count"] == 3
                os.write(ready[1], b"x")
                os.read(go[0], 1)
                assert log.page()["count"] == 4
                log.close()
                os._exit(0)
            finally:
                os._exit(9)
        os.read(ready[0], 1)
        small.append({})
        assert log.page()["count"] == 4
        os.write(go[1], b"x")
        assert os.waitpid(pid, 0)[1] == 0
        small.append({})
        assert log.page()["count"] == 5
        for descriptor in (*ready, *go):
            os.close(descriptor)


def count_in(log):
    return log.page()["count"], os.getpid()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(small, method):
    context = multiprocessing.get_context(method)
    with auditq.Log(small.path) as log, context.Pool(2) as pool:
        assert log.page()["count"] == 3
        answers = pool.map(count_in, [log] * 8)
        assert {count for count, _ in answers} == {3}
        assert os.getpid() not in {pid for _, pid in answers}


def test_a_fork_waits_for_a_build_and_both_go_on(dataset, tmp_path):
    import shutil

    for name in ("audit.db", "payloads.jsonl"):
        shutil.copy(dataset / name, tmp_path)
    run(
        """
        log = auditq.Log(PATH)
        log.page()   # Asks for an index.
        pid = os.fork()
        assert log.count(action="UPDATE") == 8367
        if pid == 0:
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        """,
        tmp_path,
    )


@pytest.mark.parametrize("daemon", [True, False])
def test_the_interpreter_ends_with_threads_running(small, daemon):
    out = run(
        f"""
        log = auditq.Log(PATH)
        base = auditq.Log(PATH, "baseline")
        end = time.monotonic() + 0.5
        def ask(number):
            while {daemon} or time.monotonic() < end:
                (log if number % 2 else base).page()
                log.count()
                next(log.events())
        for number in range(8):
            threading.Thread(target=ask, args=(number,), daemon={daemon}).start()
        time.sleep(0.3)
        print("end")
        """,
        small.path,
    )
    assert out == "end\n"


def test_the_interpreter_ends_with_logs_and_iterators_open(small):
    run(
        """
        log = auditq.Log(PATH); log.page()
        events = log.events(); next(events)
        cycle = [log, events]; cycle.append(cycle)
        """,
        small.path,
    )


def test_ctrl_c_ends_what_drains_events(dataset):
    """What drains an iterator in C gives Python no other chance to look."""
    script = """
        import signal
        # Whoever runs the tests may have it ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        log = auditq.Log(PATH)
        # A build is not broken off.
        next(log.events())
        try:
            # In here: on a busy machine the signal may come before the walk.
            print("ready", flush=True)
            while True:
                list(log.events())
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        assert log.page()["count"] == 20
    """
    source = "import auditq, os, sys\nPATH = sys.argv[1]\n" + textwrap.dedent(script)
    child = subprocess.Popen([sys.executable, "-c", source, str(dataset)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout.readline() == "ready\n"
        time.sleep(0.2)
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=60)
    finally:
        child.kill()
    assert (out, child.returncode) == ("interrupted\n", 0)


def test_ctrl_c_is_noticed_in_the_middle_of_a_walk(dataset):
    with auditq.Log(dataset) as log:
        events = log.events()
        next(events)
        before = signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        try:
            with pytest.raises(KeyboardInterrupt):
                # In here: on a busy machine the signal may come before the walk.
                signal.setitimer(signal.ITIMER_REAL, 0.005)
                # Each call is one call of C.
                while True:
                    list(log.events())
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        # The iterator that was not interrupted goes on.
        assert sum(1 for _ in events) == 49_999


def test_other_threads_run_while_one_waits(small):
    """SQLite waits for a lock: the interpreter must not."""
    with auditq.Log(small.path, "baseline") as log:
        if small.execute("PRAGMA journal_mode") == [["wal"]]:
            pytest.skip("nobody waits for a lock in WAL mode")
        small.execute("BEGIN EXCLUSIVE")
        answered = threading.Event()

        def ask():
            log.page()
            answered.set()

        asking = threading.Thread(target=ask)
        asking.start()
        # This thread goes on, or the lock would never be let go and the answer be an error.
        for _ in range(20):
            time.sleep(0.01)
            assert not answered.is_set()
        small.execute("ROLLBACK")
        assert answered.wait(60)
        asking.join()


def test_threads_that_share_an_iterator_are_told(dataset):
    with auditq.Log(dataset) as log:
        events, seen, refused = log.events(), [], []

        def drain():
            while True:
                try:
                    seen.append(next(events)["id"])
                except StopIteration:
                    return
                except auditq.RequestError:
                    refused.append(1)

        threads = [threading.Thread(target=drain) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(seen) == len(set(seen)) == 50_000


def test_logs_are_closed_while_they_are_asked(small):
    failed = []
    for _ in range(50):
        log = auditq.Log(small.path)

        def ask(log=log):
            try:
                while True:
                    log.page()
                    log.count()
            except auditq.RequestError as error:
                if "closed" not in str(error):
                    failed.append(error)
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        log.close()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
    assert not failed, failed[0]
