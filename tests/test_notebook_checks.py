"""What lessons say about what was just seen, and what they measure."""

import pytest

from nucleus.client import Client
from nucleus.notebook.checks import (
    all_completed,
    attempts_in_words,
    buried_alive,
    check,
    detection_delay,
    events_of,
    longest_silence,
    places,
    places_at_the_end,
    seconds_for,
    verdicts_in_words,
    waiting_at,
)
from nucleus.notebook.speed import speed_ups
from nucleus.pictures.story import jobs_of
from tests.notebook_support import a_job
from tests.pictures_support import Story, a_crash
from tests.support import running_master, running_worker


def test_a_check_answers_in_words_either_way() -> None:
    assert repr(check(1 + 1 == 2, "It is.", "It is not.")) == "✓ It is."
    assert repr(check(1 + 1 == 3, "It is.", "It is not.")) == "✗ It is not."


def test_what_a_check_says_is_text_in_a_page_too() -> None:
    page = check(True, "1 < 2", "")._repr_html_()
    assert "1 &lt; 2" in page
    assert 'role="status"' in page
    assert "✓" in page


def test_completed_jobs_are_told_with_those_that_ran_again() -> None:
    found = all_completed([a_job("1"), a_job("2", attempts=2)])
    assert repr(found) == "✓ 2 jobs, 2 results; 1 ran more than once."


def test_a_job_without_a_result_is_named() -> None:
    found = all_completed([a_job("1"), a_job("2", status="FAILED")])
    assert repr(found) == "✗ 1 of 2 jobs have a result; 2 is FAILED."


def test_time_runs_from_the_first_submit_to_the_last_end() -> None:
    jobs = [a_job(submitted_at=100.0), a_job(submitted_at=101.0, finished_at=107.5)]
    assert seconds_for(jobs) == 7.5


def test_time_is_not_told_before_all_have_ended() -> None:
    with pytest.raises(ValueError, match="1 of 2 have ended"):
        seconds_for([a_job(), a_job(finished_at=None)])
    with pytest.raises(ValueError, match="0 of 0 have ended"):
        seconds_for([])


def test_places_are_those_at_which_jobs_were_handed_out() -> None:
    starts = (5.0, 7.0, 6.0, 7.0, None)
    assert places([a_job(started_at=at) for at in starts]) == [1, 3, 2, 3, 0]


def test_places_at_the_end_may_be_others() -> None:
    ends = (9.0, 7.0, None, 8.0)
    assert places_at_the_end([a_job(finished_at=at) for at in ends]) == [3, 1, 0, 2]


def test_waiting_jobs_are_counted_from_the_end_of_a_burst_on() -> None:
    story = Story()
    story.join(0.0, "worker-1")
    jobs = [story.submit(at) for at in (9.8, 9.9, 10.0)]
    for number, job in enumerate(jobs):
        story.lease(11.0 + number, job, "worker-1")
        story.complete(11.9 + number, job, 0.9)
    assert waiting_at(story.end(), (0, 1, 2.5, 9)) == [(0, 3), (1, 2), (2.5, 1), (9, 0)]


def test_a_silence_lies_between_two_heartbeats() -> None:
    story = Story()
    story.beats("worker-1", 0, 6)
    story.beats("worker-1", 20, 26)
    story.beats("worker-2", 0, 26)
    assert longest_silence(story.end(), "worker-1") == 14
    assert longest_silence(story.end(), "nobody") == 0


def test_a_silence_that_has_not_ended_lasts_to_the_end_of_the_record() -> None:
    assert longest_silence(a_crash(), "worker-1") == 22.5


def test_only_who_was_not_crashed_was_buried_alive() -> None:
    story = Story()
    story.fault(1.0, None, "crash", "worker-1")
    story.fault(1.0, 30.0, "freeze", "worker-2")
    for name in ("worker-1", "worker-2", "worker-3"):
        story.lose(12.0, name)
    assert buried_alive(story.end()) == ["worker-2", "worker-3"]


def test_speed_ups_are_measured_for_each_number_of_jobs_beginning_with_one() -> None:
    with (
        running_master() as master,
        running_worker(master.address, slots=4),
        Client(master.address) as client,
    ):
        measured = speed_ups(client, "Sleep", 0.01, (1, 4))
        stats = client.stats()
    assert [jobs for jobs, _ in measured] == [1, 4]
    assert measured[0] == (1, 1.0)
    assert measured[1][1] > 0
    assert stats.jobs["COMPLETED"] == 4 + 3 * (1 + 4)  # what warms the slots, and three rounds


def test_events_are_found_by_their_kind() -> None:
    kinds = [type(event).__name__ for event in events_of(a_crash(), "WorkerLost", "JobCancelled")]
    assert kinds == ["WorkerLost", "JobCancelled"]
    assert events_of(a_crash()) == []


def test_a_detection_takes_from_the_fault_to_the_verdict() -> None:
    assert detection_delay(a_crash(), "worker-1") == 9


def test_a_worker_that_nobody_gave_up_on_has_no_detection_delay() -> None:
    for name in ("worker-2", "nobody"):
        with pytest.raises(ValueError, match=f"worker: '{name}' was not broken"):
            detection_delay(a_crash(), name)


def test_verdicts_are_told_with_what_was_true() -> None:
    story = Story()
    for name in ("worker-1", "worker-2", "worker-3"):
        story.join(0.0, name)
    story.fault(2.0, None, "crash", "worker-1")
    story.fault(2.0, 20.0, "partition", "worker-2")
    story.fault(2.0, 6.5, "freeze", "worker-3")
    story.lose(11.0, "worker-1")
    story.lose(11.5, "worker-2")
    assert verdicts_in_words(story.end()).splitlines() == [
        "worker-1: crash at 2.0 s; the master gave up on it after 9.0 s, and it was dead",
        "worker-2: partition at 2.0 s, for 18.0 s; the master gave up on it after 9.5 s, and it was"
        " ALIVE",
        "worker-3: freeze at 2.0 s, for 4.5 s; the master never gave up on it",
    ]


def test_the_attempts_of_a_job_are_told_with_their_leases() -> None:
    history = a_crash()
    first, _, third, _ = jobs_of(history)
    leases = [event.seq for event in events_of(history, "JobLeased")]
    assert attempts_in_words(history, first).splitlines() == [
        f"attempt 1: worker-1, lease {leases[0]}, from 2.0 s, lost with its worker at 15.0 s",
        f"attempt 2: worker-2, lease {leases[4]}, from 16.0 s, completed at 22.0 s",
    ]
    assert attempts_in_words(history, third).endswith("failed at 16.0 s")


def test_an_attempt_that_has_not_ended_is_still_running() -> None:
    story = Story()
    story.join(0.0, "worker-1")
    job = story.submit(1.0)
    story.lease(1.0, job, "worker-1")
    assert attempts_in_words(story.end(), job).endswith("from 1.0 s, still running")
