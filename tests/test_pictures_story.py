"""The story of a job, in words."""

import pytest

from nucleus.core.events import KINDS as EVENTS
from nucleus.core.news import Acknowledged
from nucleus.history.observations import KINDS, Message, Submitted, Told
from nucleus.pictures.story import find_job, jobs_of, sentence, story_of
from nucleus.sim import simulate
from tests.pictures_support import START, a_crash

FIRST = "story-0000000004"


def test_everything_that_was_seen_of_a_job_is_told_in_order() -> None:
    assert [(at, said) for _, at, said in story_of(a_crash(), FIRST)] == [
        (1, "Job 4, Sleep(1), is in the queue."),
        (2, "worker-1 gets job 4 under lease 8."),
        (15, "Job 4 goes to the front of the queue; its lease to worker-1 is void (worker lost)."),
        (16, "worker-2 gets job 4 under lease 17."),
        (18, "A report of worker-1 under lease 8 is refused (stale lease)."),
        (22, "Job 4 is completed by worker-2 in 6 s: 1"),
    ]


def test_each_line_knows_its_place_in_the_history() -> None:
    history = a_crash()
    for place, _, said in story_of(history, FIRST):
        assert sentence(history.observations[place]) == said


def test_what_its_client_asked_and_was_told_belongs_to_the_story() -> None:
    history = a_crash()
    history.add(Submitted(START + 0.9, "client", 4, "Sleep", "1"))
    history.add(Told(START + 1.1, "client", 4, Acknowledged(4, FIRST)))
    history.add(Told(START + 1.1, "client", 5, Acknowledged(5, "another")))
    history.sort()
    told = [said for _, _, said in story_of(history, FIRST)]
    assert told[0] == "client asks for Sleep(1)."
    assert told[2] == "client is told: job 4 is durable."
    assert not any("another" in said for said in told)


def test_a_job_is_found_by_its_id_and_by_its_number() -> None:
    assert find_job(a_crash(), "4") == find_job(a_crash(), FIRST) == FIRST
    with pytest.raises(KeyError, match="no job 'x' in this history"):
        find_job(a_crash(), "x")
    assert len(jobs_of(a_crash())) == 4


def test_a_lost_message_is_said_to_be_lost() -> None:
    lost = Message(START, None, "worker-1", "master", "a result", FIRST)
    assert sentence(lost) == "worker-1 sends a result to master; it is lost."


def test_what_happened_to_workers_and_masters_is_told_too() -> None:
    said = [sentence(seen) for seen in a_crash().observations]
    for expected in (
        "A master begins to serve, or wakes up; silence counts from now.",
        "worker-1 joins, with 1 slot.",
        "A heartbeat of worker-2 reached the master.",
        "Fault: crash of worker-1.",
        "worker-1 is given up on (silence).",
        "Job 6 fails for good after attempt 1 (failed: it failed).",
        "Job 7 is cancelled.",
    ):
        assert expected in said


def test_every_observation_of_a_storm_has_a_sentence_of_its_own() -> None:
    observations = [seen for seed in (3, 11, 29) for seen in simulate(seed).history.observations]
    assert len({type(seen) for seen in observations}) > 12
    for seen in observations:
        said = sentence(seen)
        assert said.removesuffix(".") not in {*KINDS, *EVENTS}
        assert said[0] != " "
