"""The part of a history that began at a moment: what was over by then is not in it."""

from nucleus.history.observations import Beat, Committed
from nucleus.history.recent import recent
from nucleus.pictures import gantt, heartbeats
from tests.pictures_support import START, Story


def an_old_cluster() -> Story:
    """Of three workers one was lost and one left; of three jobs one waits and one runs."""
    story = Story()
    story.serve(0)
    for name in ("worker-1", "worker-2", "worker-3"):
        story.join(0, name)
        story.beats(name, 1, 4)
    story.leave(5, "worker-3")
    ended, running, waiting = (story.submit(6 + number) for number in range(3))
    story.lease(10, ended, "worker-1")
    story.lose(14, "worker-1")
    story.requeue(14, ended, "worker_lost", charged=True)
    story.lease(14, ended, "worker-2")
    story.complete(16, ended, 2)
    story.lease(17, running, "worker-2")
    story.beats("worker-2", 7, 28)
    story.complete(30, running, 13)
    story.lease(30, waiting, "worker-2")
    story.complete(31, waiting, 1)
    story.beat(31, "worker-2")
    return story


def test_only_what_went_on_is_left_of_what_was_before() -> None:
    part = recent(an_old_cluster().end(), START + 20)
    events = [(type(seen.event).__name__, seen.event.seq) for seen in part.events()]
    kinds = [kind for kind, _ in events]
    assert kinds == ["JobSubmitted", "JobSubmitted", "JobLeased", "WorkerJoined", *kinds[4:]]
    assert kinds[4:] == ["JobCompleted", "JobLeased", "JobCompleted"]
    assert {seen.worker for seen in part.observations if isinstance(seen, Beat)} == {"worker-2"}


def test_that_a_recorder_read_of_a_worker_is_no_sign_of_life() -> None:
    part = recent(an_old_cluster().end(), START + 20)
    [joined] = [seen for seen in part.events() if type(seen.event).__name__ == "WorkerJoined"]
    beats = [seen.at - START for seen in part.observations if isinstance(seen, Beat)]
    assert (joined.at - START, beats) == (19, [19, 22, 25, 28, 31])


def test_pictures_of_it_show_nothing_older() -> None:
    part = recent(an_old_cluster().end(), START + 20)
    assert "worker-1" not in heartbeats(part).words
    assert "2 attempts: 2 completed" in gantt(part).words


def test_nothing_is_left_out_of_a_history_that_began_later() -> None:
    whole = an_old_cluster().end()
    assert recent(whole, START - 1) == whole


def test_a_worker_that_was_never_heard_has_joined_when_that_was_read() -> None:
    story = Story()
    story.join(3, "worker-1")
    [joined] = recent(story.end(), START + 5).observations
    assert isinstance(joined, Committed)
    assert joined.at == START + 3
