"""A student's code in a real cluster, and the page that a verdict makes."""

import html.parser

import pytest

import nucleus
from nucleus.core.errors import InvalidArgument
from nucleus.core.rules import OURS
from nucleus.grading import Live
from nucleus.grading.code import Code
from nucleus.grading.judge import judge
from nucleus.grading.labs import LABS
from nucleus.grading.labs.queue import Waiting
from nucleus.grading.verdict import PartVerdict, Verdict
from nucleus.grading.witness import Witness


def next_job(waiting: list[Waiting]) -> Waiting:
    return max(waiting, key=lambda job: job.number)


def accept(job: object, report: object) -> str:
    return "yes"


def test_a_real_cluster_goes_by_the_code_of_a_student() -> None:
    live = Live(next_job)
    with nucleus.Cluster(1, monitoring=False, dashboard=False, rules=live.rules) as cluster:
        first = cluster.client.submit("Sleep", 0.5)
        first.acknowledged()
        rest = cluster.client.submit_many("Echo", range(5))
        assert [job.result() for job in rest] == list(range(5))
        views = sorted(
            map(cluster.client.job, (job.id for job in rest)), key=lambda v: v.started_at or 0
        )
        assert [view.payload for view in views] == [4, 3, 2, 1, 0]
    assert repr(live).endswith("each answer made sense. Whether it was right, check() tells.")


def test_a_cluster_goes_on_where_the_code_makes_no_sense_and_says_so() -> None:
    live = Live(accept)
    with nucleus.Cluster(1, monitoring=False, dashboard=False, rules=live.rules) as cluster:
        assert cluster.client.submit("Echo", 7).result() == 7
    assert [finding.name for finding in live.findings] == ["wrong-answer"]
    assert "returned 'yes', not True or False" in repr(live)


def test_parts_in_processes_take_no_rules_but_ours() -> None:
    with pytest.raises(InvalidArgument, match="rules: mode='processes'"):
        nucleus.Cluster(mode="processes", rules=Live(next_job).rules)


class Reader(html.parser.HTMLParser):
    """Checks that what is opened is closed, and gathers the texts for images."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.alternatives: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.alternatives.append(dict(attrs).get("alt") or "")
        else:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_of_a_verdict_is_whole_and_can_be_read_aloud() -> None:
    lab = LABS["02-queue"]
    source = "def next_job(waiting):\n    return '<script>' if len(waiting) > 1 else waiting[0]\n"
    reports = judge(lab, Code(lab.entry, source.encode(), "a.py"), ["A"], 5)
    parts = {
        r.part: PartVerdict(lab, lab.parts[0], r, ("Think <b>twice</b> of `since`.",))
        for r in reports
    }
    page = Verdict(lab, parts, printed="<b>loud</b>")._repr_html_()
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert "client sends submit to master" in reader.alternatives[0]
    assert "<script>" not in page
    assert "<b>" not in page
    assert "<code>since</code>" in page
    for said in ("(part A)", "fail", "0 of 3 points", "wrong-answer", "1 of 3 hints", "it printed"):
        assert said in page


def test_a_witness_tells_each_call_that_raised_from_one_that_answered_nothing() -> None:
    witness = Witness("half")
    assert [witness.ask(lambda: 1 // 0), witness.failed] == [None, True]
    assert [witness.ask(lambda: 1 // 0), witness.failed] == [None, True]
    assert [witness.ask(lambda: None), witness.failed] == [None, False]
    assert [finding.name for finding in witness.findings] == ["raised"]


def test_where_nothing_was_returned_it_is_said_where_a_none_comes_from() -> None:
    witness = Witness("half")
    witness.ask(lambda: None)
    witness.wrong("half returned None, not a number")
    (finding,) = witness.findings
    assert finding.what.endswith("number. A function that ends without a return returns None.")


def test_a_queue_that_forgets_to_return_the_next_job_is_told_so() -> None:
    source = "def next_job(waiting):\n    waiting.sort(key=lambda job: job.number)\n"
    lab = LABS["02-queue"]
    (report,) = judge(lab, Code(lab.entry, source.encode(), "a.py"), ["A"], 1)
    assert report.finding is not None
    assert report.finding.name == "every-job-ends"
    assert "next_job returned None while it waited" in report.finding.what


def test_a_grader_that_runs_a_notebook_does_not_let_the_code_into_its_own_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    live = Live(next_job)
    assert live.rules is OURS
    assert "was not asked" in repr(live)
