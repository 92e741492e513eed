"""Ctrl-C in the middle of something leaves nothing half started, half stopped or locked."""

import signal
import subprocess
import sys

import pytest

from nucleus.cluster.uninterrupted import uninterrupted

# What each program begins with. ``interrupted`` says whether the interrupt hit.
BEGIN = """
import os, signal, sys, threading, time
import psutil
import nucleus
from nucleus.cluster import Recorder

signal.signal(signal.SIGINT, signal.default_int_handler)

def interrupted(seconds, function):
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    try:
        try:
            timer.start()
            function()
        finally:
            timer.cancel()
            timer.join()
    except KeyboardInterrupt:
        return True
    return False

def moments(count, function):
    # spread over the time that ``function`` takes, in seconds
    began = time.monotonic()
    function()
    took = time.monotonic() - began
    return [took * number / count for number in range(count)]

def check_nothing_is_left():
    ours = ("nucleus", "job-thread", "metrics", "process-executor")
    threads = [t.name for t in threading.enumerate() if t.name.startswith(ours)]
    me = psutil.Process()
    ports = [c.laddr.port for c in me.net_connections("inet") if c.status == "LISTEN"]
    assert (threads, me.children(), ports) == ([], [], []), (threads, me.children(), ports)

def small():
    return nucleus.Cluster(2, worker_timeout=1)
"""
START = """
hits = 0
cluster = small()
for moment in moments(10, cluster.start):
    cluster.stop()
    cluster = small()
    if interrupted(moment, cluster.start):
        hits += 1
    else:
        cluster.stop()
    check_nothing_is_left()
assert hits, "no interrupt hit"
"""
STOP = """
hits = 0
for moment in moments(8, small().start().stop):
    cluster = small().start()
    hits += interrupted(moment, cluster.stop)
    cluster.stop()  # where it was interrupted before it had begun
    check_nothing_is_left()
assert hits, "no interrupt hit"
"""
KILL = """
hits = 0
with small() as cluster:
    for moment in moments(10, lambda: cluster.kill("worker-2")):
        hits += interrupted(moment, lambda: cluster.kill("worker-1"))
        if "worker-1" in cluster.workers:
            cluster.kill("worker-1")
        cluster.add_worker("worker-1")
    assert list(cluster.client.map("Echo", range(4))) == list(range(4))
    assert hits, "no interrupt hit"
check_nothing_is_left()
"""
RECORD = """
hits = 0
def record():
    with Recorder(cluster) as recorder:
        cluster.client.submit("Echo", 1).result(60)
        recorder.history()
with small() as cluster:
    own = cluster.client
    for moment in moments(20, record):
        hits += interrupted(moment, record)
        assert cluster.client is own
    assert own.submit("Echo", 2).result(60) == 2
    assert hits, "no interrupt hit"
check_nothing_is_left()
"""
SUBMIT = """
hits = 0
def submit():
    while True:
        cluster.client.submit("Echo", 1)
with nucleus.Cluster(1, executor="thread", dashboard=False, monitoring=False) as cluster:
    for number in range(60):
        hits += interrupted(0.0005 + 0.00002 * number, submit)
        assert cluster.client.submit("Echo", number).result(60) == number
assert hits == 60, hits
"""


def test_an_interrupt_waits_for_the_end_of_what_must_not_be_interrupted() -> None:
    done = False
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        signal.raise_signal(signal.SIGINT)
        done = True
    assert done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_goes_its_way_and_interrupts_are_heard_again() -> None:
    with pytest.raises(ZeroDivisionError), uninterrupted():
        raise ZeroDivisionError
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_where_interrupts_are_ignored_they_stay_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(START, id="start"),
        pytest.param(STOP, id="stop"),
        pytest.param(KILL, id="kill"),
        pytest.param(RECORD, id="record"),
        pytest.param(SUBMIT, id="submit", marks=pytest.mark.long),
    ],
)
def test_an_interrupt_at_any_moment_leaves_a_cluster_that_works_or_nothing(program: str) -> None:
    run = subprocess.run([sys.executable, "-c", BEGIN + program], capture_output=True, text=True)
    assert run.stderr == ""
    assert run.returncode == 0
