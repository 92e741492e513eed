"""The picture's own JavaScript in a real Chromium, fed with frames by hand."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from nucleus.notebook.picture import STATIC
from nucleus.notebook.scene import COUNTED, View
from tests.chromium_support import running_chromium

# What anywidget hands to `render`, kept in variables that a test can look at.
SETUP = """async (source) => {
  const blob = new Blob([source], { type: "text/javascript" });
  const module = await import(URL.createObjectURL(blob));
  const handlers = {};
  window.sent = [];
  window.state = {
    job_types: [
      { name: "Fibonacci", allowed: "an integer from 0 to 45", example: "30" },
      { name: "Sleep", allowed: "a number of seconds", example: "0.5" },
    ],
    can_break: true, why_wait: "The kernel is busy.", frame: "", summary: "",
  };
  window.fire = (name, value) => [...(handlers[name] ?? [])].forEach((call) => call(value));
  window.set = (name, value) => { state[name] = value; fire(`change:${name}`); };
  const model = {
    get: (name) => state[name],
    on: (name, call) => (handlers[name] ??= new Set()).add(call),
    off: (name, call) => handlers[name]?.delete(call),
    send: (content) => sent.push(content),
  };
  window.show = () => module.default.render({
    model, el: document.body.appendChild(document.createElement("div")),
  });
  module.default.initialize({ model });
  window.closeFirst = show();
}"""


@pytest.fixture(scope="module")
def browser_page() -> Iterator[Page]:
    with running_chromium() as browser:
        yield browser.new_page(viewport={"width": 900, "height": 700})


@pytest.fixture
def page(browser_page: Page) -> Iterator[Page]:
    errors: list[str] = []
    browser_page.on("pageerror", lambda error: errors.append(str(error)))
    style = (STATIC / "picture.css").read_text("utf-8")
    browser_page.set_content(f"<style>{style}</style><body></body>")
    browser_page.evaluate(SETUP, (STATIC / "picture.js").read_text("utf-8"))
    yield browser_page
    browser_page.evaluate("() => closeFirst()")  # its timers would outlive the document
    assert errors == []


def card(number: int, **more: Any) -> View:
    return {"id": f"job-{number}", "what": f"Sleep({number})", "tries": 0, "mark": "", **more}


def worker(name: str, age: float = 1.0, jobs: tuple[View, ...] = (), **more: Any) -> View:
    known = {"name": name, "state": "alive", "age": age, "beats": 0, "slots": 1, "ended": 0}
    rest = {"held": len(jobs), "faults": [], "breakable": True}
    return {**known, **rest, "jobs": list(jobs), **more}


def draw(page: Page, queue: tuple[View, ...] = (), *workers: View, **more: Any) -> None:
    counts = {**dict.fromkeys(COUNTED, 0), "queued": len(queue), **more.pop("counts", {})}
    view = {
        **{"at": 1.0, "epoch": 1, "worker_timeout": 10.0, "counts": counts, "rate": 0.0},
        **{"queue": list(queue), "workers": list(workers), "more_workers": 0, "ended": []},
        **{"refused": [], "news": [], "link": "live", "silent": 0.0, **more},
    }
    page.evaluate("(frame) => set('frame', frame)", json.dumps(view))


def sent(page: Page, *keys: str) -> list[list[Any]]:
    """Those keys of every message but those about views and pages."""
    messages = page.evaluate("sent.filter(({question}) => question)")
    return [[message.get(key) for key in keys] for message in messages]


def answer(page: Page, **content: Any) -> None:
    question = page.evaluate("sent.at(-1).question")
    page.evaluate("(content) => fire('msg:custom', content)", {"question": question, **content})


def test_a_job_keeps_its_box_on_its_way(page: Page) -> None:
    draw(page, (card(1), card(2)), worker("w"))
    page.evaluate("document.querySelector('.np-job').dataset.same = 'yes'")
    draw(page, (card(2),), worker("w", jobs=(card(1),)))
    expect(page.locator(".np-slots .np-job")).to_have_attribute("data-same", "yes")
    draw(page, (card(2),), worker("w"), ended=[card(1, status="completed", worker="w")])
    expect(page.locator(".np-ended .np-job")).to_have_attribute("data-same", "yes")
    expect(page.locator(".np-ended .np-job")).to_have_text("✓ 1")
    draw(page, (), worker("w"))
    expect(page.locator(".np-job")).to_have_count(0)


def statuses(page: Page) -> list[str]:
    jobs = page.locator(".np-slots .np-job").all()
    return [str(job.get_attribute("data-status")) for job in jobs]


def test_each_slot_of_a_worker_is_a_place_for_a_job(page: Page) -> None:
    draw(page, (), worker("w", slots=3))
    expect(page.locator(".np-free")).to_have_count(3)
    draw(page, (), worker("w", slots=3, jobs=(card(1),)))
    expect(page.locator(".np-free")).to_have_count(2)
    assert statuses(page) == ["running"]
    expect(page.locator(".np-slots")).to_have_attribute("title", "3 slots, 1 in use")
    draw(page, (), worker("w", slots=3, state="lost"))
    expect(page.locator(".np-free")).to_have_count(0)


def test_what_a_worker_holds_beyond_its_slots_is_not_said_to_run(page: Page) -> None:
    draw(page, (), worker("w", slots=1, jobs=(card(1), card(2), card(3)), held=12))
    assert statuses(page) == ["running", "held", "held"]
    expect(page.locator(".np-free")).to_have_count(0)
    second = page.get_by_role("img", name="Sleep(2), held, attempt 1, job job-2")
    expect(second).to_be_visible()
    expect(page.locator(".np-foot")).to_have_text("+9 more · 0 ended")
    words = "1 slot, 1 in use; 11 jobs held ahead of time"
    expect(page.locator(".np-slots")).to_have_attribute("title", words)
    draw(page, (), worker("w", slots=1, jobs=(card(2), card(3))))
    assert statuses(page) == ["running", "held"]


def test_a_requeued_job_stands_in_front_and_is_marked(page: Page) -> None:
    draw(page, (card(2),), worker("w", jobs=(card(1),)))
    draw(page, (card(1, mark="suspect", tries=1), card(2)), worker("w", state="lost"))
    first = page.locator(".np-queue .np-job").first
    expect(first).to_have_text("↻ 1")
    expect(first).to_have_attribute(
        "aria-label",
        "Sleep(1), queued, re-queued, may have taken its worker down, attempt 2, job job-1",
    )


def test_a_long_queue_is_counted(page: Page) -> None:
    draw(page, tuple(card(n) for n in range(24)), counts={"queued": 12_000})
    shown = page.locator(".np-queue .np-job").count()
    assert 4 <= shown <= 24
    expect(page.locator(".np-more")).to_have_text(f"+{12_000 - shown:,} more")
    page.set_viewport_size({"width": 450, "height": 700})
    draw(page, tuple(card(n) for n in range(24)), counts={"queued": 12_000})
    assert page.locator(".np-queue .np-job").count() < shown
    page.set_viewport_size({"width": 900, "height": 700})


@pytest.mark.parametrize(
    ("age", "state", "level", "text"),
    [(1, "alive", "fresh", "1 s"), (6, "alive", "late", "6 s"), (11, "alive", "over", "11 s"),
     (12, "lost", "over", "✗")],
)  # fmt: skip
def test_the_ring_fills_with_the_age(
    page: Page, age: float, state: str, level: str, text: str
) -> None:
    draw(page, (), worker("w", age, state=state))
    expect(page.locator(".np-worker")).to_have_attribute("data-level", level)
    expect(page.locator(".np-age-text")).to_have_text(text)


def test_the_ring_follows_the_timeout_of_the_master(page: Page) -> None:
    draw(page, (), worker("w", 1.5), worker_timeout=2.0)
    expect(page.locator(".np-worker")).to_have_attribute("data-level", "late")
    expect(page.locator(".np-age")).to_have_attribute("style", "stroke-dasharray: 75, 100;")


def test_refused_results_are_listed(page: Page) -> None:
    late = card(3, worker="zombie", reason="stale_lease", at=1.0)
    draw(page, refused=[late], counts={"refused": 1})
    expect(page.locator(".np-refusal")).to_have_text("✗ zombie: Sleep(3) (stale lease)")
    draw(page)
    expect(page.locator(".np-refused")).to_be_hidden()


def test_the_menu_is_worked_with_the_keyboard(page: Page) -> None:
    draw(page, (), worker("w1"), worker("w2"))
    page.locator(".np-menu-button").nth(1).focus()
    page.keyboard.press("Enter")
    focused = "document.activeElement.dataset.action"
    assert page.evaluate(focused) == "crash"
    for key, action in (("ArrowDown", "pause"), ("ArrowDown", "partition"), ("ArrowUp", "pause"),
                        ("End", "slow"), ("ArrowDown", "crash"), ("Home", "crash")):  # fmt: skip
        page.keyboard.press(key)
        assert page.evaluate(focused) == action
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Break or mend w2"
    assert sent(page, "do") == []
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert sent(page, "do", "worker") == [["pause", "w2"]]


def test_the_menu_offers_what_makes_sense(page: Page) -> None:
    draw(page, (), worker("w", faults=["freeze", "slow"]))
    page.locator(".np-menu-button").click()
    allowed = page.locator(".np-menu-item:enabled")
    names = [str(name) for name in allowed.evaluate_all("all => all.map(i => i.dataset.action)")]
    assert names == ["crash", "resume", "partition", "heal"]
    draw(page, (), worker("w", faults=["crash"], breakable=False))
    expect(allowed).to_have_count(0)
    page.mouse.click(5, 600)
    expect(page.locator(".np-menu")).to_be_hidden()
    expect(page.locator(".np-fault")).to_have_text("⚡ crashed ")


def test_a_click_is_answered_and_told_of(page: Page) -> None:
    draw(page)
    page.get_by_label("Job type").select_option("Fibonacci")
    expect(page.get_by_label("Payload")).to_have_value("30")
    page.get_by_label("How many jobs").fill("5")
    page.get_by_role("button", name="Submit").click()
    assert sent(page, "do", "job_type", "payload", "count") == [["submit", "Fibonacci", "30", 5]]
    answer(page, heard=True)
    expect(page.locator(".np-answer")).to_have_text("under way …")
    answer(page, said="Fibonacci(30) was submitted.", good=True)
    expect(page.locator(".np-answer")).to_have_text("Fibonacci(30) was submitted.")
    page.get_by_role("button", name="Add a worker").click()
    expect(page.locator(".np-answer")).to_have_text("The kernel is busy.")


def test_the_picture_says_that_the_cluster_stopped(page: Page) -> None:
    draw(page, link="closed")
    expect(page.get_by_role("alert")).to_contain_text("This cluster is stopped.")


def test_the_picture_says_that_the_master_is_silent(page: Page) -> None:
    draw(page, (), worker("w"), silent=7.2)
    expect(page.get_by_role("alert")).to_have_text("The master has said nothing for 7 s.")
    draw(page, (), worker("w"), link="waiting")
    expect(page.get_by_role("alert")).to_have_text("The master does not answer.")
    draw(page, (), worker("w"))
    expect(page.get_by_role("alert")).to_be_hidden()


def test_missing_frames_are_noticed_and_asked_for(page: Page) -> None:
    draw(page)
    page.evaluate("sent.length = 0")
    page.evaluate("document.querySelector('.np-root').parentElement"
                  ".classList.add('jupyter-widgets-disconnected')")  # fmt: skip
    expect(page.get_by_role("alert")).to_contain_text("The cluster is gone")
    page.evaluate("document.querySelector('.jupyter-widgets-disconnected').className = ''")
    expect(page.get_by_role("alert")).to_contain_text("No news from the kernel", timeout=8000)
    assert "open" in page.evaluate("sent.map((message) => message.do)")
    draw(page)
    expect(page.get_by_role("alert")).to_be_hidden()


def test_two_views_show_the_same_and_say_goodbye_each(page: Page) -> None:
    draw(page, (card(1),))
    page.evaluate("() => { window.closeSecond = show(); }")
    expect(page.locator(".np-job")).to_have_count(2)
    draw(page, (card(1), card(2)))
    expect(page.locator(".np-job")).to_have_count(4)
    page.evaluate("closeSecond()")
    assert page.evaluate("sent[0].do") == "page"
    views = "sent.filter((message) => message.do === {}).map(({{ view }}) => view)"
    opened, closed = (page.evaluate(views.format(f"'{what}'")) for what in ("open", "close"))
    assert len(set(opened)) == 2
    assert closed == [opened[1]]


def test_nothing_flies_for_those_who_want_no_motion(page: Page) -> None:
    def flying() -> int:
        count: int = page.evaluate("document.getAnimations().length")
        return count

    page.emulate_media(reduced_motion="reduce")
    draw(page, (card(1),), worker("w"))
    draw(page, (), worker("w", jobs=(card(1),), beats=1))
    assert flying() == 0
    page.emulate_media(reduced_motion="no-preference")
    draw(page, (card(1),), worker("w", beats=2))
    assert flying() == 2


def test_two_hundred_workers_are_shown(page: Page) -> None:
    many = [worker(f"worker-{n}", jobs=(card(n),)) for n in range(200)]
    draw(page, (), *many, more_workers=50)
    expect(page.locator(".np-worker")).to_have_count(200)
    expect(page.locator(".np-workers .np-words")).to_contain_text("50 more are not shown")
    first = page.locator(".np-name").first
    assert first.evaluate("node => node.scrollWidth <= node.clientWidth")


def test_a_screen_reader_is_told(page: Page) -> None:
    page.evaluate("set('summary', 'Jobs: 1 queued.')")
    expect(page.locator("[aria-live=polite]")).to_have_text("Jobs: 1 queued.")
    draw(page, (), worker("w", 4.0))
    expect(page.get_by_role("img", name="w: last heard of 4 s ago, lost at 10 s")).to_be_visible()
    expect(page.get_by_role("group", name="Living picture of the cluster")).to_be_visible()
