"""Known-wrong versions of the code: the simulator and the checker catch each of them."""

from collections import Counter
from pathlib import Path

import pytest

from nucleus.core.ledger import Ledger
from nucleus.core.outbox import Outbox
from nucleus.history import History
from nucleus.history.checker import check
from nucleus.history.promises import INVARIANTS
from nucleus.sim.mutants import MUTANTS
from nucleus.sim.mutants.hunting import SEEDS, first_seed, smallest_run
from nucleus.sim.run import simulate

EASY = "last-in-is-first-out"


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_wrong_version_is_caught_by_the_invariant_that_it_breaks(mutant: str) -> None:
    assert first_seed(mutant) in SEEDS


def test_every_invariant_is_the_one_that_catches_a_mutant() -> None:
    assert {mutant.caught_by for mutant in MUTANTS.values()} == set(INVARIANTS)


def test_a_mutant_leaves_nothing_behind() -> None:
    before = vars(Ledger).copy(), vars(Outbox).copy()
    for mutant in MUTANTS.values():
        with mutant.installed():
            pass
    assert (dict(vars(Ledger)), dict(vars(Outbox))) == tuple(map(dict, before))


def test_a_failing_run_is_shrunk_to_what_it_needs_and_replays_from_its_file(
    tmp_path: Path,
) -> None:
    seed = first_seed(EASY)
    assert seed is not None
    run = smallest_run(EASY, seed)
    assert run.kept is not None
    assert len(run.kept) < 10
    run.save(tmp_path / "failing.jsonl.gz")
    saved = History.load(tmp_path / "failing.jsonl.gz")
    assert saved.seed is not None
    again = simulate(saved.seed, kept=saved.kept, mutant=saved.mutant).history
    assert again.observations == saved.observations
    assert not check(again, [MUTANTS[EASY].caught_by]).ok
    assert check(simulate(saved.seed, kept=saved.kept).history).ok


def test_no_two_mutants_make_the_same_mistake() -> None:
    sentences = Counter(mutant.misunderstanding for mutant in MUTANTS.values())
    assert set(sentences.values()) == {1}
    assert all(sentence.endswith(".") for sentence in sentences)
