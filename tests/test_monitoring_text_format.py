"""The text format: what is read, what is refused and with which line, what is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, Info, Summary
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from nucleus.core.errors import InvalidArgument
from nucleus.services.monitoring.text_format import Family, Sample, parse, render


def test_a_family_is_read_with_its_help_type_labels_and_value() -> None:
    body = (
        "# HELP hits_total Hits \\\\ so far.\n"
        "# TYPE hits_total counter\n"
        'hits_total{a="x\\"\\n"} 2\n'
    )
    sample = Sample("hits_total", (("a", 'x"\n'),), 2.0)
    assert parse(body) == [Family("hits_total", "counter", "Hits \\ so far.", (sample,))]


def test_samples_without_type_are_one_untyped_family_wherever_they_stand() -> None:
    body = '# free text\n\nx{a="1"} 1\n#\n\ty\t2 \nx{a="2"} 3'
    x, y = parse(body)
    assert [(s.labels, s.value, s.line) for s in x.samples] == [
        ((("a", "1"),), 1.0, 3),
        ((("a", "2"),), 3.0, 6),
    ]
    assert (y.name, y.samples[0].value, y.line) == ("y", 2.0, 5)
    assert render([y]) == b"# HELP y \n# TYPE y untyped\ny 2.0\n"


def test_the_parts_of_a_histogram_belong_together() -> None:
    body = (
        "# TYPE h histogram\n"
        'h_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 3.5\nh_count 2\n'
        "# TYPE g_count gauge\ng_count 7\n"
    )
    histogram, gauge = parse(body)
    assert (histogram.name, len(histogram.samples)) == ("h", 4)
    assert (gauge.name, gauge.kind) == ("g_count", "gauge")


def test_a_family_without_samples_is_left_out() -> None:
    assert parse("# HELP a Nothing yet.\n# TYPE a gauge\n") == []


def test_a_counter_pushed_without_total_gets_it() -> None:
    [family] = parse("# HELP hits Hits.\n# TYPE hits counter\nhits 2\n")
    assert family.name == "hits_total"
    expected = b"# HELP hits_total Hits.\n# TYPE hits_total counter\nhits_total 2.0\n"
    assert render([family]) == expected


def test_an_integer_too_large_for_a_float_is_infinite() -> None:
    [family] = parse("a " + "9" * 400)
    assert family.samples[0].value == float("inf")


REFUSED = {
    "a": "line 1: 'a': ",
    "a b": "line 1: 'a b': could not convert string to float: 'b'",
    "a 1_000": "line 1: 'a 1_000': ",
    "a 1 1700000000000": "line 1: a has a timestamp; a push must not have any",
    "ok 1\n<html>": "line 2: '<html>': invalid metric name",
    'ok 1\n<p>{a="b"} 1': "line 2: invalid metric name '<p>'",
    "{}": "line 1: '{}': not the text format",
    '{"a.b"} 1': "line 1: invalid metric name 'a.b'",
    'ok 1\n\na{"b-c"="1"} 1': "line 3: invalid label name 'b-c'",
    'a{b:c="1"} 1': "line 1: invalid label name 'b:c'",
    'a{__name__="b"} 1': "line 1: 'a{__name__=",
    'a{b="1",b="2"} 1': 'line 1: \'a{b="1",b="2"} 1\': Invalid labels',
    'a{b="1", ="2"} 1': 'line 1: \'a{b="1", =',
    'a{b="1': "line 1: 'a{b=\"1': ",
    "# TYPE 9 gauge": "line 1: '# TYPE 9 gauge': not the text format",
    "# TYPE a banana\na 1\nb 2": "line 1: '# TYPE a banana': unknown TYPE; allowed: counter, gauge",
    "a 1\n# TYPE a gauge\na 2": "line 3: a is unknown above, and gauge here",
    "# TYPE a counter\na 1\n# TYPE a_total gauge\na_total 1": "line 4: a_total is counter above",
}


@pytest.mark.parametrize("body", REFUSED)
def test_what_is_not_text_format_is_refused_with_its_line(body: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        parse(body + "\n")
    assert str(refusal.value).startswith(REFUSED[body])


@pytest.mark.parametrize("body", ["!" * 60_000, "a" * 60_000 + "! 1", "a b" + "b" * 60_000])
def test_a_refusal_quotes_only_the_start_of_a_long_line(body: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        parse(body)
    assert len(str(refusal.value)) < 200


def test_a_line_that_would_keep_the_parser_busy_is_refused() -> None:
    quotes = '\\"' * 2**20
    with pytest.raises(InvalidArgument, match=r"line 2: .*: longer than 65536 characters"):
        parse(f'a 1\na{{b="{quotes}"}} 1\n')


def test_every_kind_of_prometheus_client_comes_out_as_it_went_in() -> None:
    registry = CollectorRegistry()
    Counter("jobs", "Jobs.", ["kind"], registry=registry).labels("a/b").inc()
    Counter("hits_total", "Hits.", registry=registry).inc(2.5)
    Gauge("depth", "Depth.\nOf \\ all.", registry=registry).set(1e9)
    Histogram("run_seconds", "Run.", registry=registry).observe(0.3)
    Summary("wait_seconds", "Wait.", registry=registry).observe(0.3)
    Info("build", "Build.", registry=registry).info({"version": "1"})
    Enum("mode", "Mode.", states=["on", "off"], registry=registry).state("off")
    body = generate_latest(registry)
    assert b"\n# TYPE hits_created gauge\n" in body
    assert render(parse(body.decode())) == body


texts = st.text(st.characters(codec="utf-8"), max_size=8)
labels = st.dictionaries(st.sampled_from(["a", "b", "_c9"]), texts).map(
    lambda pairs: tuple(sorted(pairs.items()))
)
syntax = st.sampled_from([*' \t\r\n\x1c{}"\\,=é', "# TYPE ", "# HELP ", "counter", "histogram"])
words = st.sampled_from(["a", "b_total", "h_sum", "1", "2.5", "NaN", "-Inf", "9" * 400])
comments = st.sampled_from(["# TYPE a counter\n", "# TYPE h histogram\n", "# HELP a b\n"])
samples = st.sampled_from(["b_total 2\n", "h_sum 1\n", 'a{b="c"} 1\n', 'h_bucket{le="1"} 1\n'])


@given(labels, st.floats(allow_nan=False), texts.map(str.strip))
def test_what_is_written_is_read_back_the_same(
    pairs: tuple[tuple[str, str], ...], value: float, text: str
) -> None:
    family = Family("m", "gauge", text, (Sample("m", pairs, value),))
    assert parse(render([family]).decode()) == [family]


@given(st.lists(syntax | words | comments | samples).map("".join))
def test_whatever_is_pushed_is_refused_with_a_line_or_can_be_scraped(body: str) -> None:
    try:
        written = render(parse(body))
    except InvalidArgument as refusal:
        assert str(refusal).startswith("line ")
    else:
        list(text_string_to_metric_families(written.decode()))
        assert render(parse(written.decode())) == written
