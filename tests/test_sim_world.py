"""What the simulated worlds stand on: loops, links, the disk, the plan, and each fault alone."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest

from nucleus.core.errors import InvalidArgument
from nucleus.core.retention import Retention
from nucleus.history.observations import Submitted, Told
from nucleus.sim import ALL, choose, run_seeds, simulate
from nucleus.sim.cluster import Cluster
from nucleus.sim.disk import Disk, DiskThreads
from nucleus.sim.loop import on_loops
from nucleus.sim.network import DOWN, UP, Link, Spell, Spells
from nucleus.sim.plan import CLIENTS, Submit, make_plan
from nucleus.sim.scale import Load, Model, erlang_c, run_load
from nucleus.sim.seams import simulated
from nucleus.sim.world import START, Process, World


@pytest.fixture(autouse=True)
def _turns() -> Iterator[None]:
    """Or the last loop of a world would count as running, in every test that follows."""
    with on_loops():
        yield


# ---- loops ----------------------------------------------------------------------------


def test_the_agenda_keeps_the_order_of_what_happens_at_one_moment() -> None:
    world, done = World(1), list[str]()
    for at, name in ((2.0, "later"), (1.0, "first"), (1.0, "second")):
        world.at(START + at, partial(done.append, name))
    world.run(START + 1.5)
    assert (done, world.now) == (["first", "second"], START + 1.5)
    world.run(START + 9)
    assert done == ["first", "second", "later"]


def test_a_coroutine_sleeps_in_simulated_time() -> None:
    world = World(1)
    process, woke = Process(world, "p"), list[float]()

    async def sleep() -> None:
        await asyncio.sleep(60.0)
        woke.append(world.now)

    process.loop.create_task(sleep())
    world.run(START + 100)
    assert woke == [START + 60.0]


def test_a_frozen_process_does_on_waking_what_became_due_in_that_order() -> None:
    world, done = World(1), list[tuple[str, float]]()
    process = Process(world, "p")

    def note(name: str) -> None:
        done.append((name, world.now))

    process.loop.call_later(2.0, note, "second")
    process.loop.call_later(1.0, note, "first")
    process.freeze(5.0)
    world.run(START + 10)
    assert done == [("first", START + 5.0), ("second", START + 5.0)]


def test_a_dead_process_does_nothing_any_more() -> None:
    world, done = World(1), list[str]()
    process = Process(world, "p")
    process.loop.call_soon(done.append, "soon")
    process.loop.call_later(1.0, done.append, "later")
    process.die()
    process.loop.call_soon(done.append, "afterwards")
    world.run(START + 10)
    assert done == []


# ---- links ----------------------------------------------------------------------------


def a_link(*kinds: str) -> tuple[World, Link]:
    world = World(1)
    link = Link(Process(world, "p"), Spells("p"))
    for kind in kinds:
        link.spells.begin(Spell(world, kind, 1.0, world.generator(kind)))
    return world, link


def arrivals(world: World, link: Link, messages: int = 50) -> list[int]:
    heard = list[int]()
    for number in range(messages):
        at = START + number / 1000
        message = partial(link.carry, UP, partial(heard.append, number), "message")
        world.at(at, message)
    world.run(START + 60)
    return heard


def test_a_sound_link_loses_nothing_and_keeps_the_order() -> None:
    assert arrivals(*a_link()) == list(range(50))


def test_messages_overtake_each_other_only_where_they_are_reordered() -> None:
    world, link = a_link("reorder")
    heard = arrivals(world, link)
    assert sorted(heard) == list(range(50)) != heard
    assert world.fired["reorder"] > 0


def test_a_cut_in_one_direction_leaves_the_other() -> None:
    world, link = a_link()
    link.cuts[UP] = 1
    heard = list[str]()
    for way, name in ((UP, "up"), (DOWN, "down")):
        link.carry(way, partial(heard.append, name), name)
    world.run(START + 1)
    assert heard == ["down"]


def test_what_is_under_way_when_the_link_is_cut_does_not_arrive() -> None:
    world, link = a_link()
    heard = list[str]()
    link.carry(UP, partial(heard.append, "up"), "message")
    link.cuts[UP] = 1
    world.run(START + 1)
    assert heard == []


def test_a_lost_message_is_noted_as_lost() -> None:
    world, link = a_link("lost-request")
    heard = list[str]()
    link.carry(UP, partial(heard.append, "it"), "message", lost=partial(heard.append, "lost"))
    assert (heard, world.fired) == (["lost"], {"lost-request": 1})


def test_a_message_is_lost_when_the_link_is_cut_while_it_is_under_way() -> None:
    world, link = a_link()
    heard = list[str]()
    link.carry(UP, partial(heard.append, "it"), "message", lost=partial(heard.append, "lost"))
    assert heard == []
    link.cuts[UP] += 1
    world.run(START + 1)
    assert heard == ["lost"]


# ---- the disk -------------------------------------------------------------------------


@pytest.mark.parametrize("dies", [True, False])
def test_what_had_not_reached_the_disk_dies_with_its_process(dies: bool) -> None:
    world, written = World(1), list[str]()
    process = Process(world, "master")
    threads = DiskThreads(Disk(world, "d", Retention()), process.loop, process.rng)
    threads(process.loop.create_future(), partial(written.append, "row"))
    if dies:
        process.die()
    world.run(START + 1)
    assert written == ([] if dies else ["row"])


def test_what_had_not_reached_the_disk_waits_while_its_process_stands_still() -> None:
    world, written = World(1), list[str]()
    process = Process(world, "master")
    threads = DiskThreads(Disk(world, "d", Retention()), process.loop, process.rng)
    threads(process.loop.create_future(), partial(written.append, "row"))
    process.freeze(5.0)
    world.run(START + 4)
    assert written == []
    world.run(START + 6)
    assert written == ["row"]


# ---- the plan -------------------------------------------------------------------------


def test_an_item_left_out_leaves_the_others_what_they_were() -> None:
    faults = ALL - {"client-crash"}
    items = make_plan(7, faults).items
    kept = [n for n, item in enumerate(items) if isinstance(item, Submit)]
    ours = [n for n in kept if getattr(items[n], "client", "") == CLIENTS[0]]

    def submits(kept: list[int] | None) -> list[Submitted]:
        history = simulate(7, kept=kept, faults=faults).history
        seen = (o for o in history.observations if isinstance(o, Submitted))
        # A retry takes a number of its client as well.
        return [replace(submit, client_seq=0) for submit in seen if submit.client == CLIENTS[0]]

    assert submits(ours) == submits(kept) == submits(None)


def test_the_luck_of_an_item_is_its_own() -> None:
    plan = make_plan(7, ALL)
    assert plan.luck(3).random() == plan.luck(3).random() != plan.luck(4).random()


# ---- faults ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(ALL))
def test_each_fault_fires_alone_and_breaks_no_promise(kind: str) -> None:
    # A clock is wrong from a restart on, so something has to restart.
    also = {"master-crash"} if kind == "master-clock" else set()
    tally = run_seeds(range(4), faults=frozenset({kind} | also))
    assert tally.broken == {}
    assert set(+tally.fired) == {kind} | also


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("all", ALL),
        ("none", set()),
        ("loss, one-way", {"lost-request", "lost-reply", "one-way"}),
        ("clients,delay", {"client-crash", "slow-client", "delay"}),
    ],
)
def test_faults_are_chosen_by_name_and_by_group(text: str, names: set[str]) -> None:
    assert choose(text) == names


def test_an_unknown_fault_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(InvalidArgument, match=r"'rain' is not allowed; .*one-way"):
        choose("loss,rain")


def test_another_ledger_behind_the_address_is_heard_of_by_every_open_handle() -> None:
    world = World(11)
    with simulated(world.channels.__getitem__), on_loops():
        cluster = Cluster(world, make_plan(11, frozenset()))
        cluster.schedule(None)
        world.run(START + 12)
        waiting = {client.name: set(client.open) for client in cluster.everybody}
        cluster.lose_ledger()
        world.run(START + 90)
        assert cluster.quiet
        cluster.close()
    news: dict[str, dict[int, list[str]]] = {name: {} for name in waiting}
    for seen in world.history.observations:
        if isinstance(seen, Told):
            of = news[seen.client].setdefault(seen.client_seq, [])
            of.append(type(seen.news).__name__)
    assert any(waiting.values())
    for name, heard in news.items():
        assert {n for n, said in heard.items() if "Lost" in said} == waiting[name]
        assert all(len({"Lost", "Ended"} & set(said)) <= 1 for said in heard.values())


# ---- size -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("servers", "offered", "chance"), [(1, 0.5, 0.5), (2, 1.0, 1 / 3), (10, 9.0, 0.66873)]
)
def test_erlang_c_is_what_the_textbooks_say(servers: int, offered: float, chance: float) -> None:
    assert erlang_c(servers, offered) == pytest.approx(chance, abs=1e-5)


def test_waits_and_requeues_are_what_queueing_theory_expects() -> None:
    outcome = run_load(Load(workers=10, jobs=12_000, life=100.0))
    assert outcome.waited == pytest.approx(outcome.waited_theory, rel=0.15)
    waits = [wait for _, wait in outcome.bare]
    assert 0.8 * min(waits) < outcome.wait < 1.2 * max(waits)
    assert abs(outcome.requeued_sigmas) < 3
    assert outcome.requeued > 0


def test_a_load_that_begins_busy_has_nothing_to_fill_up() -> None:
    load = Load(workers=50, jobs=400, busy=0.9, warm_up=0, begin_busy=True)
    model = Model(load)
    assert model.submitted == load.at_once == 45
    while model.ended < load.jobs:
        model.world.run(model.world.now + 1)
    assert model.submitted == 400
    assert len(model.waits) == 400 - 45  # those that were there from the start are not judged
