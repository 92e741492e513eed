"""Jobs and heartbeat ages from samples of the scrape endpoint."""

import pytest
from pytest import approx

from nucleus.history.observations import Fault
from nucleus.pictures import Sample, queue_and_heartbeats
from tests.pictures_support import artist, labels


def samples(workers: int) -> list[Sample]:
    """Ten seconds in which worker-0 is silent and the others beat."""
    names = [f"worker-{number}" for number in range(workers)]
    return [
        Sample(
            1_000.0 + second,
            {"queued": 20.0 - second, "running": 4.0, "completed": 3.0 * second},
            {
                name: (second + 5.0 if number == 0 else second % 3)
                for number, name in enumerate(names)
            },
        )
        for second in range(11)
    ]


def test_jobs_stand_above_heartbeat_ages_over_the_same_seconds() -> None:
    above, below = queue_and_heartbeats(samples(2)).axes
    assert list(artist(above, "queued").get_ydata()) == list(range(20, 9, -1))
    assert list(artist(below, "worker-0").get_xdata()) == list(range(11))
    assert artist(below, "worker-0").get_ydata()[-1] == 15
    assert (below.get_xlabel(), below.get_ylabel()) == ("time (s)", "heartbeat age (s)")
    assert artist(below, "10 s: lost").get_ydata()[0] == 10


def test_lines_of_workers_differ_in_more_than_their_colour() -> None:
    _, below = queue_and_heartbeats(samples(6)).axes
    looks = {(line.get_color(), line.get_linestyle()) for line in below.lines}
    assert len(looks) == 7
    assert len({dashes for _, dashes in looks}) == 4


def test_many_workers_share_one_entry_in_the_legend() -> None:
    said = labels(queue_and_heartbeats(samples(50)))
    assert said == ["queued", "running", "completed", "one of 50 workers", "10 s: lost"]


def test_the_words_say_who_is_silent() -> None:
    words = queue_and_heartbeats(samples(3)).words
    assert words == (
        "Over 10 seconds at most 20 jobs were queued; 30 were completed at the end."
        " Silent: worker-0."
    )


def test_faults_are_shaded_where_samples_were_taken_and_told_in_words() -> None:
    before = Fault(900.0, 950.0, "freeze", "worker-1")
    faults = [
        before,
        Fault(1_002.0, 1_004.0, "freeze", "worker-0"),
        Fault(1_006.0, None, "crash", "a"),
    ]
    picture = queue_and_heartbeats(samples(2), faults)
    for axes in picture.axes:
        (shade,) = axes.patches
        assert shade.get_label() == "fault: freeze (1)"
        assert shade.get_extents().transformed(axes.transData.inverted()).intervalx == approx(
            [2, 4]
        )
        assert artist(axes, "fault: crash (1)").get_offsets()[0][0] == 6.0
    assert {"fault: freeze (1)", "fault: crash (1)"} < set(labels(picture))
    assert picture.words.endswith(" Injected: 2 faults: freeze (1), crash (1).")


def test_without_samples_it_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="run the sampler for some seconds first"):
        queue_and_heartbeats([])
