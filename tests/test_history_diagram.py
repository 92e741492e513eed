"""Space-time diagrams: the data, and the drawing for a terminal."""

from dataclasses import replace

from nucleus.core.events import JobLeased, JobSubmitted, MasterStarted, ResultRejected
from nucleus.history import History
from nucleus.history.diagram import Arrow, Mark, draw
from nucleus.history.observations import Committed, Fault, Message, Stopped
from tests.history_support import WORKER, Scribe


def one_job() -> tuple[History, str]:
    scribe = Scribe()
    job = scribe.whole_life()
    return scribe.history, job.job_id


def test_a_job_travels_from_its_client_to_a_worker_and_back() -> None:
    history, job = one_job()
    diagram = draw(history, [job])
    assert diagram.lifelines == ("c", "master", "w")
    ways = [(arrow.sender, arrow.receiver, arrow.what) for arrow in diagram.arrows]
    assert ways == [
        ("c", "master", "submit"),
        ("master", "c", "acknowledged"),
        ("master", "w", "lease 4"),
        ("w", "master", "result, lease 4"),
        ("master", "c", "completed"),
    ]
    assert all(arrow.received is not None for arrow in diagram.arrows)
    assert Mark(1008.0, "w", "starts lease 4") in diagram.marks


def test_other_jobs_are_left_out() -> None:
    scribe = Scribe()
    scribe.whole_life()
    job = scribe.whole_life()
    diagram = draw(scribe.history, [job.job_id])
    assert {arrow.job_id for arrow in diagram.arrows} == {job.job_id}
    assert len(diagram.arrows) == 5


def test_a_lease_that_nobody_received_is_an_arrow_that_ends_nowhere() -> None:
    scribe = Scribe()
    scribe.whole_life()
    job = scribe.submit()
    scribe.commit(JobLeased, job_id=job.job_id, **WORKER)
    diagram = draw(scribe.history, [job.job_id])
    assert diagram.arrows[-1] == Arrow(1015.0, None, "master", "w", "lease 7", job.job_id)
    assert "lease 7 ─" in diagram.text().splitlines()[-1]
    assert diagram.text().splitlines()[-1].endswith("✗│")


def test_a_refused_result_is_marked_with_a_cross() -> None:
    scribe = Scribe()
    job = scribe.submit()
    lease = scribe.lease(job)
    scribe.cancel(job, lease)
    scribe.see(Stopped(scribe.now, **WORKER, lease=lease, job_id=job.job_id, outcome="completed"))
    scribe.commit(ResultRejected, job_id=job.job_id, lease=lease, worker="w", reason="cancelled")
    diagram = draw(scribe.history, [job.job_id])
    [refused] = [arrow for arrow in diagram.arrows if arrow.refused]
    assert (refused.sender, refused.receiver) == ("w", "master")
    assert "✗ refused: result, lease 4 arrives" in diagram.text()


def test_recorded_messages_say_when_an_inferred_one_travelled() -> None:
    history, job = one_job()
    history.add(Message(1006.25, 1007.0, "master", "w", "GetJobs message", job))
    [lease] = [arrow for arrow in draw(history, [job]).arrows if arrow.receiver == "w"]
    assert (lease.what, lease.sent, lease.received) == ("lease 4", 1006.25, 1007.0)


def test_what_was_recorded_as_lost_is_drawn_as_lost() -> None:
    history, job = one_job()
    history.add(Message(1008.5, None, "w", "master", "SendResults", job))
    lost, result = (arrow for arrow in draw(history, [job]).arrows if arrow.sender == "w")
    assert (lost.what, lost.received) == ("SendResults", None)
    assert result.what == "result, lease 4"


def test_faults_and_new_masters_in_the_meantime_are_marked() -> None:
    scribe = Scribe()
    scribe.see(Fault(scribe.now, None, "crash", "w"))  # before the job
    job = scribe.submit()
    scribe.see(Fault(scribe.now, scribe.now + 2.0, "freeze", "w"))
    scribe.commit(MasterStarted, epoch=2)
    scribe.complete(job, scribe.lease(job))
    scribe.see(Fault(scribe.now, None, "crash", "w"))  # after it
    diagram = draw(scribe.history, [job.job_id])
    assert [mark.what for mark in diagram.marks] == ["freeze", "epoch 2 begins", "starts lease 5"]
    assert "freeze until 5.000 ✗" in diagram.text()
    assert not any(mark.fault for mark in draw(scribe.history, [job.job_id], faults=False).marks)


def test_a_cluster_that_shows_only_its_events_can_be_drawn() -> None:
    history, job = one_job()
    history.observations = [seen for seen in history.observations if isinstance(seen, Committed)]
    ways = [(arrow.sender, arrow.receiver) for arrow in draw(history, [job]).arrows]
    assert ways == [("c", "master"), ("master", "w"), ("w", "master")]


def test_a_client_that_named_itself_at_random_is_called_by_the_start_of_its_name() -> None:
    history, job = one_job()
    history.observations = [
        replace(seen, event=replace(seen.event, client="7b913c0d17870192"))
        for seen in history.events()
        if isinstance(seen.event, JobSubmitted)
    ]
    assert draw(history, [job]).lifelines == ("client 7b91", "master")


def test_the_drawing_fits_into_a_hundred_columns() -> None:
    scribe = Scribe()
    jobs = [scribe.whole_life().job_id for _ in range(3)]
    for number in range(5):
        long = f"a-worker-with-a-long-name-{number}"
        scribe.see(Message(scribe.now, None, long, "master", "a rather long message", jobs[0]))
    assert max(map(len, draw(scribe.history, jobs).text().splitlines())) <= 100
    assert max(map(len, draw(scribe.history, jobs[1:2]).text(60).splitlines())) <= 60


def test_a_drawing_reads_from_top_to_bottom() -> None:
    history, job = one_job()
    assert (
        "\n" + draw(history, [job]).text(70)
        == """
                   c                 master                w
   0.000            │╌╌╌╌╌╌ submit ╌╌╌╌▷│                   │
   1.000            │                   ▸ submit arrives    │
   1.000            │◁╌╌ acknowledged ╌╌│                   │
   2.000            ▸ acknowledged arrives                  │
   3.000            │                   │╌╌╌╌╌ lease 4 ╌╌╌╌▷│
   4.000            │                   │   lease 4 arrives ▸
   5.000            │                   │    starts lease 4 •
   6.000            │                   │◁ result, lease 4 ╌│
   7.000            │                   ▸ result, lease 4 arrives
   7.000            │◁╌╌╌ completed ╌╌╌╌│                   │
   8.000            ▸ completed arrives │                   │"""
    )


def test_nothing_to_draw_is_an_empty_drawing() -> None:
    assert draw(History(), ["a"]).text().strip() == "master"
