"""The text format: what is read, what is refused and with which line, what is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
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


def test_a_sample_without_type_is_untyped_and_comments_are_ignored() -> None:
    assert parse("# free text\n\n#\n\tanswer\t42 \n") == [
        Family("answer", "untyped", "", (Sample("answer", (), 42.0),))
    ]


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


@pytest.mark.parametrize(
    "value", ["1", "-1.5e3", "+Inf", "-inf", "NaN", "0", ".5", "5.", "1E-3", "+7"]
)
def test_every_way_to_write_a_number_is_read(value: str) -> None:
    assert repr(parse(f"a {value}\n")[0].samples[0].value) == repr(float(value))


REFUSED = {
    "a": "line 1: a has no value",
    "a b": "line 1: 'b' is not a 64-bit number",
    "a 1_000": "line 1: '1_000' is not a 64-bit number",
    "a 0x10": "line 1: '0x10' is not a 64-bit number",
    "a 1e999": "line 1: '1e999' is not a 64-bit number",
    "a 1\r": "line 1: '1\\r' is not a 64-bit number",
    "a 1 1700000000000": "line 1: a has a timestamp; a push must not have any",
    "a 1 2 3": "line 1: unexpected text after the value of a: '3'",
    "ok 1\n<html>": "line 2: invalid metric name '<html>'",
    "9a 1": "line 1: invalid metric name '9a'",
    '{"a.b"} 1': "line 1: invalid metric name ''",
    'a{b-c="1"} 1': "line 1: invalid label name 'b-c'",
    'a{__name__="b"} 1': "line 1: invalid label name '__name__'",
    'a{b="1",b="2"} 1': "line 1: label 'b' comes twice",
    "a{b=1} 1": "line 1: expected name=\"value\" or } at 'b=1} 1'",
    'a{b="1" c="2"} 1': "line 1: expected , or } at 'c=\"2\"} 1'",
    'a{b="1': 'line 1: expected name="value" or } at \'b="1\'',
    'a{,b="1"} 1': 'line 1: expected name="value" or } at \',b="1"} 1\'',
    'a{b="\\t"} 1': "line 1: invalid escape '\\\\t'",
    "# HELP a \\x": "line 1: invalid escape '\\\\x'",
    "# TYPE a banana": "line 1: unknown TYPE 'banana' of a; allowed: counter, gauge",
    "# TYPE 9 gauge": "line 1: invalid metric name '9'",
    "# TYPE a gauge\n# TYPE a gauge": "line 2: TYPE of a comes twice, or after its samples",
    "a 1\n# TYPE a gauge": "line 2: TYPE of a comes twice, or after its samples",
    "# HELP a x\n# HELP a x": "line 2: second HELP for a",
    "# TYPE h histogram\nh 1": "line 2: a histogram has no sample h without a suffix",
    "# TYPE h histogram\nh_bucket 1": "line 2: a sample h_bucket of a histogram needs",
    "# TYPE s summary\ns 1": "line 2: a sample s of a summary needs the label 'quantile'",
}


@pytest.mark.parametrize("body", REFUSED)
def test_what_is_not_text_format_is_refused_with_its_line(body: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        parse(body + "\n")
    assert str(refusal.value).startswith(REFUSED[body])


def test_a_last_line_without_line_feed_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="line 2: no line feed at the end"):
        parse("a 1\nb 2")


def test_a_refusal_quotes_only_the_start_of_a_long_line() -> None:
    with pytest.raises(InvalidArgument) as refusal:
        parse("!" * 100_000 + "\n")
    assert len(str(refusal.value)) < 200


texts = st.text(st.characters(codec="utf-8"), max_size=8)
labels = st.dictionaries(st.sampled_from(["a", "b", "_c9"]), texts).map(
    lambda pairs: tuple(sorted(pairs.items()))
)


@given(labels, st.floats(allow_nan=False), texts.map(str.strip))
def test_what_is_written_is_read_back_the_same(
    pairs: tuple[tuple[str, str], ...], value: float, text: str
) -> None:
    family = Family("m", "gauge", text, (Sample("m", pairs, value),))
    assert parse(render([family]).decode()) == [family]


@given(labels, st.floats(allow_nan=False))
def test_prometheus_client_reads_what_is_written(
    pairs: tuple[tuple[str, str], ...], value: float
) -> None:
    sample = Sample("m", pairs, value)
    body = render([Family("m", "gauge", "", (sample,))]).decode()
    [family] = text_string_to_metric_families(body)
    assert [(s.labels, s.value) for s in family.samples] == [(dict(pairs), value)]
