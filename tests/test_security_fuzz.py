"""A fuzzer on everything that can be pushed: paths, headers, bodies, in any order.

Whatever it tries, the answer is a documented one, a refused push leaves everything as it was,
and what is exposed can be read by Prometheus's own parser.
"""

import gzip
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.test import Client as WsgiClient

from nucleus.services.monitoring.apps import push_app
from nucleus.services.monitoring.store import Store
from nucleus.services.monitoring.text_format import parse, render

ANSWERS = {200, 202, 400, 404, 405, 413, 415, 429}

names = st.sampled_from(["a", "b", "le", "quantile", "job", "instance", "a:b", "0", "é", "__x", ""])
values = st.sampled_from(["0", "1", "-1", "1e999", "NaN", "+Inf", "0x1", "1_0", "", "v", "\x00"])
quoted = st.text(st.sampled_from('ab\\"n{},= \n\t\x0b\u2028é'), max_size=8)
label = st.builds('{}="{}"'.format, names, quoted)
labels = st.lists(label, max_size=3).map(lambda found: "{" + ",".join(found) + "}")
kinds = st.sampled_from(["counter", "gauge", "histogram", "summary", "untyped", "info", "x", ""])
endings = st.sampled_from(["", "_total", "_sum", "_count", "_bucket", "_created", "_info"])
good = st.sampled_from(
    ['a{b="1"} 1', "a 2", "b_total 3", "# TYPE b_total counter", "# TYPE a gauge", "# HELP a x"]
)
lines = st.one_of(
    good,
    good,
    st.builds("{}{}{} {}".format, names, endings, labels, values),
    st.builds("{}{} {}".format, names, endings, values),
    st.builds("# TYPE {}{} {}".format, names, endings, kinds),
    st.builds("# HELP {}{} {}".format, names, endings, quoted),
    st.text(max_size=12),
)
texts = st.lists(lines, max_size=12).map("\n".join)
bodies = st.one_of(
    texts.map(str.encode),
    texts.map(lambda text: (text + "\n").encode()),
    st.binary(max_size=60),
    texts.map(lambda text: gzip.compress(text.encode())),
)
pieces = st.sampled_from(
    ["job", "job@base64", "a", "b", "instance", "instance@base64", "YQ", "YQ==", "=", "",
     "..", "%2e%2e", "%00", "%ff", "é", "a b", "__x", "x" * 600]
)  # fmt: skip
paths = st.one_of(
    st.sampled_from(["/metrics/job/a", "/metrics/job/a/b/c"]),
    st.lists(pieces, max_size=5).map(lambda found: "/metrics/job/" + "/".join(found)),
)
odd_encodings = st.sampled_from(["gzip", "deflate", "", "gzip, gzip", "é"])
encodings = st.just("identity") | st.just("identity") | odd_encodings
odd_types = st.sampled_from(["application/vnd.google.protobuf", "", "x", "text/plain;q=\x7f"])
types = st.just("text/plain; version=0.0.4") | odd_types
methods = st.sampled_from(["PUT", "PUT", "POST", "POST", "DELETE", "GET"])
pushes = st.tuples(methods, paths, bodies, encodings, types)


def push_all(tried: list[tuple[Any, ...]]) -> None:
    """Push one after the other, and look at what each has done."""
    store = Store(lambda: 1.0)
    client = WsgiClient(push_app(store))
    for method, path, body, encoding, content_type in tried:
        before = store.collect()
        headers = {"Content-Encoding": encoding, "Content-Type": content_type}
        answer = client.open(path, method=method, data=body, headers=headers)
        assert answer.status_code in ANSWERS, answer.text
        if answer.status_code >= 400:
            assert store.collect() == before
            assert answer.json["success"] is False  # type: ignore[index]  # it is an object
        exposed = render(store.collect())
        list(text_string_to_metric_families(exposed.decode()))


@settings(max_examples=150)
@given(st.lists(pushes, max_size=4))
def test_nothing_that_is_pushed_breaks_anything(tried: list[tuple[Any, ...]]) -> None:
    push_all(tried)


@pytest.mark.long
@settings(max_examples=1_500)
@given(st.lists(pushes, max_size=6))
def test_nothing_that_is_pushed_in_very_many_ways_breaks_anything(
    tried: list[tuple[Any, ...]],
) -> None:
    push_all(tried)


@settings(max_examples=150)
@given(texts)
def test_what_is_read_can_be_written_and_read_again(text: str) -> None:
    try:
        families = parse(text)
    except ValueError:  # that is how it is refused; anything else is a bug
        return
    again = parse(render(families).decode())
    assert [(family.name, family.samples) for family in again] == [
        (family.name, family.samples) for family in families
    ] or "nan" in repr(families)
