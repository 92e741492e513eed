"""The scene, folded from what the real ledger commits, shows what the ledger knows."""

import json
import random
from dataclasses import replace

import pytest

from nucleus.core.events import Event, JobLeased, JobSubmitted, MasterStarted, WorkerHeartbeat
from nucleus.core.job import job_from_row
from nucleus.core.lifecycle import Status
from nucleus.core.worker import Report
from nucleus.notebook.scene import (
    ENDED_SHOWN,
    KEPT,
    LEFT_SHOWN,
    LOST_SHOWN,
    QUEUE_SHOWN,
    Scene,
    View,
)
from tests.core_support import Queue, checked_queue

queue = checked_queue


def folded(events: list[Event], scene: Scene | None = None) -> Scene:
    scene = scene or Scene()
    for event in events:
        scene.fold(event)
    return scene


def shown(queue: Queue) -> View:
    queue.settle()
    return folded(queue.history).view(queue.now)


def ids(cards: list[View]) -> list[str]:
    return [card["id"] for card in cards]


def worker(view: View, name: str) -> View:
    return next(worker for worker in view["workers"] if worker["name"] == name)


def test_a_job_moves_from_the_queue_to_its_worker_and_to_the_ended(queue: Queue) -> None:
    job = queue.submit("27")
    view = shown(queue)
    assert view["queue"] == [{"id": job, "what": "Echo(27)", "tries": 0, "mark": ""}]
    queue.join("w")
    view = shown(queue)
    assert (view["queue"], ids(worker(view, "w")["jobs"])) == ([], [job])
    queue.finish(job)
    view = shown(queue)
    assert worker(view, "w")["jobs"] == []
    assert worker(view, "w")["ended"] == 1
    [ended] = view["ended"]
    assert (ended["id"], ended["status"], ended["worker"]) == (job, "completed", "w")


def test_the_jobs_of_a_lost_worker_jump_to_the_front(queue: Queue) -> None:
    queue.join("w")
    held = queue.submit()
    queue.settle()
    waiting = queue.submit()
    queue.wait(10.25)
    view = shown(queue)
    assert ids(view["queue"]) == [held, waiting]
    assert view["queue"][0]["mark"] == "suspect"
    assert worker(view, "w")["state"] == "lost"
    assert view["counts"]["requeued"] == 1
    assert [item["kind"] for item in view["news"]][-2:] == ["lost", "requeued"]


def test_a_late_result_is_shown_as_refused_with_the_name_of_its_job(queue: Queue) -> None:
    queue.join("zombie")
    job = queue.submit("5")
    queue.settle()
    late = queue.lease(job)
    queue.wait(10.25)
    queue.join("w")
    queue.settle()
    queue.finish(job)
    queue.settle()
    queue.report("zombie", Report(job, late, result="1"))
    view = shown(queue)
    [refused] = view["refused"]
    assert (refused["what"], refused["worker"], refused["reason"]) == (
        "Echo(5)",
        "zombie",
        "stale_lease",
    )
    assert view["counts"]["refused"] == 1


def test_the_age_grows_until_a_heartbeat(queue: Queue) -> None:
    queue.join("w")
    queue.settle()
    scene = folded(queue.history)
    joined = queue.now
    assert worker(scene.view(joined + 4), "w")["age"] == 4
    scene.fold(WorkerHeartbeat(0, joined + 4, "w", "i1", 1, ()))
    after = worker(scene.view(joined + 5), "w")
    assert (after["age"], after["beats"]) == (1, 1)


def test_a_master_that_starts_gives_every_worker_a_whole_timeout() -> None:
    scene = Scene()
    scene.adopt_counts({}, 100.0)
    scene.adopt_worker("w", "i", 1, "alive", 8.0)
    scene.fold(MasterStarted(1, 100.0, 2))
    view = scene.view(101.0)
    assert (worker(view, "w")["age"], view["epoch"]) == (1, 2)


def test_lost_and_departed_workers_leave_the_picture_after_a_while(queue: Queue) -> None:
    queue.join("lost")
    queue.join("left")
    queue.wait(10.25, beating=["left"])
    queue.beat("left", leaving=True)
    view = shown(queue)
    assert {w["name"]: w["state"] for w in view["workers"]} == {"lost": "lost", "left": "left"}
    scene = folded(queue.history)
    assert [w["name"] for w in scene.view(queue.now + LEFT_SHOWN + 1)["workers"]] == ["lost"]
    assert scene.view(queue.now + LOST_SHOWN + 1)["workers"] == []


def test_workers_are_sorted_as_people_count(queue: Queue) -> None:
    for name in ("worker-10", "worker-9", "worker-1"):
        queue.join(name)
    names = [w["name"] for w in shown(queue)["workers"]]
    assert names == ["worker-1", "worker-9", "worker-10"]


def test_a_higher_priority_stands_further_to_the_front(queue: Queue) -> None:
    low = queue.submit_many(2)
    high = queue.submit(priority=5)
    assert ids(shown(queue)["queue"]) == [high, *low]


def test_a_job_that_waits_for_its_time_stands_behind_and_is_marked(queue: Queue) -> None:
    delayed = queue.submit(delay=5.0, priority=1)
    ready = queue.submit()
    view = shown(queue)
    assert ids(view["queue"]) == [ready, delayed]
    assert view["queue"][1]["mark"] == "delayed"
    later = folded(queue.history).view(queue.now + 5)["queue"]
    assert (ids(later), later[0]["mark"]) == ([delayed, ready], "")


def test_the_view_stays_small_whatever_the_number_of_jobs(queue: Queue) -> None:
    queue.join("w", slots=1000, window=1000)
    jobs = queue.submit_many(2000)
    queue.settle()
    for job in jobs[:500]:
        queue.finish(job)
    view = shown(queue)
    counts = {name: count for name, count in view["counts"].items() if count}
    assert counts == {"submitted": 2000, "queued": 500, "running": 1000, "completed": 500}
    assert len(view["queue"]) == QUEUE_SHOWN
    assert len(view["ended"]) == ENDED_SHOWN
    assert len(worker(view, "w")["jobs"]) < 10
    assert worker(view, "w")["held"] == 1000
    assert len(json.dumps(view)) < 8_000


def submitted(number: int, at: float) -> JobSubmitted:
    job_id = f"ledger-{number:010d}"
    return JobSubmitted(number, at, job_id, "Echo", "1", 0, at, 3, None, "", "", 0, "")


def leased(number: int, job: int) -> JobLeased:
    return JobLeased(number, 1e6, f"ledger-{job:010d}", "w", "i")


def numbers(scene: Scene) -> list[int]:
    """The jobs of the queue that are known one by one, the next one first."""
    return [int(job_id.rpartition("-")[2]) for _, job_id in scene._line]


def test_of_a_very_long_queue_only_the_head_is_known_one_by_one() -> None:
    first, last = 1, KEPT + 3
    scene = folded([submitted(n, float(n)) for n in range(first, last + 1)])
    assert (numbers(scene)[-1], scene.counts["queued"]) == (KEPT, last)
    scene.fold(leased(last + 1, first))
    scene.fold(submitted(last + 2, 1e6))  # behind three that are not known
    assert numbers(scene)[-1] == KEPT
    for n in range(first + 1, last + 1):
        scene.fold(leased(last + 2 + n, n))
    scene.fold(leased(3 * KEPT, last + 2))
    scene.fold(submitted(3 * KEPT + 1, 2e6))  # nobody else waits
    assert numbers(scene) == [3 * KEPT + 1]


def test_whoever_is_pushed_out_of_the_head_is_still_in_front_of_later_ones() -> None:
    scene = folded([submitted(n, float(n)) for n in range(1, KEPT + 1)])
    urgent = replace(submitted(KEPT + 1, 1e6), priority=1)
    scene.fold(urgent)
    assert (numbers(scene)[0], numbers(scene)[-1]) == (KEPT + 1, KEPT - 1)
    scene.fold(leased(KEPT + 2, KEPT + 1))
    scene.fold(submitted(KEPT + 3, 2e6))
    assert (numbers(scene)[-1], scene.counts["queued"]) == (KEPT - 1, KEPT + 1)


def test_throughput_counts_the_jobs_that_ended_in_the_last_seconds(queue: Queue) -> None:
    queue.join("w", slots=50)
    jobs = queue.submit_many(50)
    queue.settle()
    for job in jobs:
        queue.clock.advance(0.1)
        queue.finish(job)
    queue.settle()
    scene = folded(queue.history)
    assert scene.view(queue.now)["rate"] == pytest.approx(10, abs=1)
    assert scene.view(queue.now + 6)["rate"] == 0


def test_a_view_is_plain_json(queue: Queue) -> None:
    queue.join("w")
    queue.submit_many(3)
    view = shown(queue)
    assert json.loads(json.dumps(view)) == view


def test_to_look_changes_nothing(queue: Queue) -> None:
    queue.join("w")
    queue.submit_many(3)
    queue.settle()
    scene = folded(queue.history)
    before = scene.view(queue.now)
    scene.view(queue.now + 1000)
    assert scene.view(queue.now) == before


# ---- random runs ----------------------------------------------------------------------


def act_at_random(queue: Queue, chance: random.Random, jobs: list[str]) -> None:
    names = [f"w{n}" for n in range(4)]
    running = [job for job in jobs if queue.status(job) is Status.RUNNING]
    match chance.randrange(10):
        case 0 | 1:
            jobs += queue.submit_many(chance.randrange(1, 5), priority=chance.randrange(2))
        case 2:
            queue.join(chance.choice(names), slots=2, window=3)
        case 3 | 4 | 5 if running:
            queue.finish(chance.choice(running))
        case 6 if running:
            queue.fail(chance.choice(running))
        case 7 if running:
            queue.release(chance.choice(running))
        case 8 if jobs:
            queue.cancel(chance.choice(jobs))
        case 9:
            beating = [name for name in queue.incarnations if chance.random() < 0.7]
            queue.wait(chance.choice([1, 4]), beating=beating)
    queue.settle()


def run_at_random(seed: int) -> Queue:
    queue, chance = Queue(), random.Random(seed)
    jobs: list[str] = []
    for _ in range(80):
        act_at_random(queue, chance, jobs)
    return queue


def in_line(queue: Queue) -> list[str]:
    """The queued jobs in the order in which a hungry worker would get them."""
    queue.join("hungry", slots=1000, window=1000)
    queue.settle()
    return queue.held("hungry")


def check_scene(scene: Scene, queue: Queue) -> None:
    counts = {name.lower(): count for name, count in queue.ledger.counts().items() if count}
    assert {s: scene.counts[s] for s in counts} == counts
    for known in queue.ledger.roster.alive():
        assert scene._actors[known.name].leases == known.leases
    waiting = [job for _, job in scene._line if scene._jobs[job].not_before <= queue.now]
    assert waiting == in_line(queue)


@pytest.mark.parametrize("seed", range(20))
def test_the_scene_agrees_with_the_ledger_after_any_run(seed: int) -> None:
    queue = run_at_random(seed)
    check_scene(folded(queue.history), queue)


def begun_late(queue: Queue, missed: list[Event]) -> Scene:
    """A scene that begins after ``missed``, as when a master is asked: the counts come first.

    The jobs are read a moment later, so that they are ahead of the events that come next.
    """
    before = folded(missed)
    scene = Scene()
    scene.adopt_counts(before.counts, before.now)
    for actor in before._actors.values():
        scene.adopt_worker(actor.name, actor.incarnation, actor.slots, actor.state, age=0.0)
    for event in queue.happened(JobSubmitted):
        job = job_from_row(queue.job(job_id_of(event)).row())
        job.lease = 0  # readers are not told
        if not job.ended:
            scene.adopt_job(job)
    return scene


def job_id_of(event: Event) -> str:
    assert isinstance(event, JobSubmitted)
    return event.job_id


@pytest.mark.parametrize("seed", range(20))
def test_a_scene_that_begins_in_the_middle_ends_the_same(seed: int) -> None:
    queue = run_at_random(seed)
    missed, seen = queue.history[:-40], queue.history[-40:]
    scene, whole = folded(seen, begun_late(queue, missed)), folded(queue.history)
    assert +scene.counts == +whole.counts
    assert {i: j.status for i, j in scene._jobs.items()} == {
        i: j.status for i, j in whole._jobs.items()
    }
    assert sorted(numbers(scene)) == sorted(numbers(whole))
    held = {name: set(actor.leases.values()) for name, actor in scene._actors.items()}
    for name, actor in whole._actors.items():
        assert held[name] == set(actor.leases.values())
    before = len(queue.history)
    for job_id in set().union(*held.values()):
        queue.finish(job_id)
    queue.settle()
    folded(queue.history[before:], scene)
    assert scene.counts["running"] == sum(len(a.leases) for a in scene._actors.values())
