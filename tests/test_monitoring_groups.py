"""The store of pushed groups, under a clock given by hand."""

import pytest

from nucleus.core.errors import InvalidArgument
from nucleus.services.monitoring.grouping import parse_grouping
from nucleus.services.monitoring.groups import STAMPS, Groups
from nucleus.services.monitoring.text_format import parse, render


class Bench:
    """A store and a clock in whole seconds."""

    def __init__(self) -> None:
        self.groups = Groups()
        self.now = 1000.0

    def put(self, path: str, *lines: str) -> None:
        self._push(path, lines, replace_all=True)

    def post(self, path: str, *lines: str) -> None:
        self._push(path, lines, replace_all=False)

    def delete(self, path: str) -> None:
        self.groups.delete(parse_grouping(path))

    def shown(self) -> list[str]:
        """Return the exposition without the stamps and without lines that say no HELP."""
        return [
            line
            for line in self.lines()
            if not any(name in line for name in STAMPS) and not line.endswith(" ")
        ]

    def stamps(self) -> dict[str, float]:
        """Return what Monitoring itself says."""
        samples = (line.rsplit(" ", 1) for line in self.lines() if line[0] != "#")
        return {s: float(v) for s, v in samples if s.partition("{")[0] in STAMPS}

    def _push(self, path: str, lines: tuple[str, ...], *, replace_all: bool) -> None:
        body = "".join(f"{line}\n" for line in lines)
        self.groups.push(parse_grouping(path), parse(body), self.now, replace_all=replace_all)

    def lines(self) -> list[str]:
        """Return the whole exposition."""
        return render(self.groups.collect(self.now)).decode().splitlines()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_put_replaces_the_whole_group_and_no_other(bench: Bench) -> None:
    bench.put("job/a", "x 1", "y 1")
    bench.put("job/a/instance/i", "x 2")
    bench.put("job/a", "z 3")
    assert bench.shown() == [
        "# TYPE x untyped",
        'x{instance="i",job="a"} 2.0',
        "# TYPE z untyped",
        'z{instance="",job="a"} 3.0',
    ]


def test_post_replaces_families_of_the_same_name_only(bench: Bench) -> None:
    bench.put("job/a", 'x{k="1"} 1', "y 1")
    bench.post("job/a", "# TYPE x gauge", 'x{k="2"} 2')
    assert bench.shown() == [
        "# TYPE x gauge",
        'x{instance="",job="a",k="2"} 2.0',
        "# TYPE y untyped",
        'y{instance="",job="a"} 1.0',
    ]


def test_delete_removes_the_group_with_its_stamp(bench: Bench) -> None:
    bench.put("job/a", "x 1")
    bench.delete("job/a")
    bench.delete("job/never_pushed")
    assert bench.shown() == [] and bench.stamps() == {}


def test_an_empty_put_clears_and_an_empty_post_only_stamps(bench: Bench) -> None:
    bench.put("job/a", "x 1")
    bench.now += 1
    bench.post("job/a")
    assert bench.shown() and list(bench.stamps().values()) == [1001.0]
    bench.now += 1
    bench.put("job/a")
    assert not bench.shown() and list(bench.stamps().values()) == [1002.0]


def test_families_of_several_groups_share_one_help_and_type(bench: Bench) -> None:
    bench.put("job/a", "# HELP x First.", "# TYPE x gauge", "x 1")
    bench.put("job/b", "# HELP x Second.", "# TYPE x gauge", "x 2")
    assert bench.shown() == [
        "# HELP x First.",
        "# TYPE x gauge",
        'x{instance="",job="a"} 1.0',
        'x{instance="",job="b"} 2.0',
    ]


def test_the_labels_of_the_group_override_those_in_the_body(bench: Bench) -> None:
    bench.put("job/a/instance/i", 'x{job="other",instance="other",k="v"} 1')
    assert bench.shown()[1:] == ['x{instance="i",job="a",k="v"} 1.0']


REFUSED = {
    "another TYPE in another group": (
        ["ok 1", "# TYPE held_total gauge", "held_total 1"],
        "line 3: held_total has TYPE gauge, but the group {job='first'} holds it as counter",
    ),
    "the same sample twice": (
        ['x{k="1"} 1', 'x{k="1"} 1'],
        "line 2: duplicate sample x{job='a', k='1'} in this push",
    ),
    "an empty label is an absent one": (
        ['x{k=""} 1', "x 1"],
        "line 2: duplicate sample x{job='a'} in this push",
    ),
    "samples that the grouping makes equal": (
        ['x{job="1"} 1', 'x{job="2"} 1'],
        "line 2: duplicate sample x{job='a'} in this push",
    ),
    "a stamp": (
        ["x 1", "nucleus_worker_up 1"],
        "line 2: nucleus_worker_up is made by Monitoring and cannot be pushed",
    ),
    "a histogram over a held summary": (
        ["# TYPE lat histogram", 'lat_bucket{le="+Inf"} 1'],
        "line 2: lat has TYPE histogram",
    ),
    "a histogram whose parts are another family": (
        ["h_sum 1", "# TYPE h histogram", 'h_bucket{le="+Inf"} 1'],
        "line 3: h (histogram) collides with h_sum",
    ),
    "a part of a held summary": (
        ["# TYPE lat_count gauge", "lat_count 1"],
        "line 2: lat_count (gauge) collides with lat",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_push_that_does_not_fit_is_refused_and_changes_nothing(bench: Bench, case: str) -> None:
    lines, reason = REFUSED[case]
    bench.put("job/first", "# TYPE held counter", "held 1", "# TYPE lat summary", "lat_count 1")
    bench.put("job/a", "old 1")
    before = bench.shown(), bench.stamps()
    bench.now += 1
    with pytest.raises(InvalidArgument) as refusal:
        bench.put("job/a", *lines)
    assert str(refusal.value).startswith(reason)
    assert (bench.shown(), bench.stamps()) == before


def test_a_sample_that_another_group_holds_is_refused(bench: Bench) -> None:
    bench.put("job/a", 'x{instance="i"} 1')
    with pytest.raises(InvalidArgument, match=r"duplicate sample .* in the group {job='a'}"):
        bench.put("job/a/instance/i", "x 1")
    bench.delete("job/a")
    bench.put("job/a/instance/i", "x 1")


def test_a_group_alone_with_a_name_may_change_its_type(bench: Bench) -> None:
    bench.put("job/a", "# TYPE x gauge", "x 1")
    bench.put("job/a", "# TYPE x histogram", 'x_bucket{le="+Inf"} 1')
    with pytest.raises(InvalidArgument, match=r"x_count .* collides with x"):
        bench.post("job/a", "x_count 1")
    bench.put("job/a", "x_count 1")
    assert bench.shown() == ["# TYPE x_count untyped", 'x_count{instance="",job="a"} 1.0']


def test_a_post_that_collides_with_what_stays_is_blamed_on_its_own_line(bench: Bench) -> None:
    bench.put("job/a", "h 1", "h_sum 1")
    with pytest.raises(InvalidArgument, match=r"line 3: h \(histogram\) collides with h_sum"):
        bench.post("job/a", "", "# TYPE h histogram", 'h_bucket{le="+Inf"} 1')


def test_nothing_is_remembered_of_a_deleted_group(bench: Bench) -> None:
    bench.put("job/a", "# TYPE lat summary", "lat_count 1")
    bench.delete("job/a")
    assert vars(bench.groups) == vars(Groups())


def test_a_worker_is_up_until_it_was_silent_for_more_than_10_seconds(bench: Bench) -> None:
    bench.put("job/nucleus_worker/instance/w1", "x 1")
    bench.put("job/nucleus_master/instance/m", "x 1")
    bench.now += 10
    assert bench.stamps()['nucleus_worker_up{worker="w1"}'] == 1
    bench.now += 0.001
    assert bench.stamps() == {
        'nucleus_push_last_timestamp_seconds{instance="m",job="nucleus_master"}': 1000,
        'nucleus_push_last_timestamp_seconds{instance="w1",job="nucleus_worker"}': 1000,
        'nucleus_worker_last_heartbeat_timestamp_seconds{worker="w1"}': 1000,
        'nucleus_worker_up{worker="w1"}': 0,
    }
    bench.put("job/nucleus_worker/instance/w1", "x 1")
    assert bench.stamps()['nucleus_worker_up{worker="w1"}'] == 1


@pytest.mark.parametrize(("patience", "seconds"), [(30.0, 30), (1.0, 10)])
def test_a_worker_is_up_for_as_long_as_the_master_is_patient_and_for_three_pushes(
    bench: Bench, patience: float, seconds: int
) -> None:
    bench.groups = Groups(patience)
    bench.put("job/nucleus_worker/instance/w1", "x 1")
    bench.now += seconds
    assert bench.stamps()['nucleus_worker_up{worker="w1"}'] == 1
    assert f"from the worker within {seconds} seconds." in "".join(bench.lines())
    bench.now += 0.001
    assert bench.stamps()['nucleus_worker_up{worker="w1"}'] == 0


def test_a_worker_with_two_groups_is_stamped_once_with_the_latest(bench: Bench) -> None:
    bench.put("job/nucleus_worker/instance/w1")
    bench.now += 5
    bench.put("job/nucleus_worker/instance/w1/host/h")
    assert sorted(bench.stamps().values()) == [1, 1005, 1005]


def test_a_refused_push_is_no_heartbeat(bench: Bench) -> None:
    bench.put("job/nucleus_worker/instance/w1", "x 1")
    bench.now += 11
    with pytest.raises(InvalidArgument):
        bench.put("job/nucleus_worker/instance/w1", "nucleus_worker_up 1")
    assert bench.stamps()['nucleus_worker_up{worker="w1"}'] == 0


def test_a_group_silent_for_more_than_5_minutes_is_dropped(bench: Bench) -> None:
    bench.put("job/nucleus_worker/instance/w1", "x 1")
    bench.put("job/quiet", "x 2")
    bench.now += 300
    assert bench.groups.evict(bench.now) == []
    bench.put("job/nucleus_worker/instance/w1", "x 1")
    bench.now += 0.001
    assert bench.groups.evict(bench.now) == [(("job", "quiet"),)]
    assert bench.shown()[1:] == ['x{instance="w1",job="nucleus_worker"} 1.0']


@pytest.mark.parametrize(
    ("path", "labels"),
    [
        ("job/a", {"job": "a"}),
        ("job/a/", {"job": "a"}),
        ("job@base64/YS9i/instance@base64/L3g", {"job": "a/b", "instance": "/x"}),
        ("job@base64/YS9iYw==", {"job": "a/bc"}),
        ("job/a/l@base64/=/m/x", {"job": "a", "l": "", "m": "x"}),
        ("job/a/job/b", {"job": "a"}),
        ("job/titan/name@base64/zqDPgc6_zrzOt864zrXPjc-C", {"job": "titan", "name": "Προμηθεύς"}),
    ],
)
def test_the_path_names_the_group(path: str, labels: dict[str, str]) -> None:
    assert dict(parse_grouping(path)) == labels


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("job", "expected /metrics/job/<job>"),
        ("instance/i", "expected /metrics/job/<job>"),
        ("job/a/instance", "expected /metrics/job/<job>"),
        ("job/", "label 'job' in the path is empty"),
        ("job@base64/=", "label 'job' in the path is empty"),
        ("job/a/b//c/d", "label 'b' in the path is empty"),
        ("job/a/1b/c", "invalid label name '1b'"),
        ("job/a/__b/c", "invalid label name '__b'"),
        ("job/a/b@base64/!!", "is not base64 of UTF-8 text"),
        ("job/a/b@base64/_w", "is not base64 of UTF-8 text"),
        ("job/a/b@base64/A", "is not base64 of UTF-8 text"),
    ],
)
def test_a_path_that_names_no_group_is_refused(path: str, reason: str) -> None:
    with pytest.raises(InvalidArgument, match=reason):
        parse_grouping(path)
