"""Choreo dies by `kill -9` before and after every commit and every outbound send of a story, is started again, and
nothing is lost, done twice or left standing. And to show that this would be seen: the same with faults on purpose."""

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from queue import SimpleQueue

import pytest

from choreo_web.celery import app
from tests.crashes.faults import FAULTS
from tests.crashes.machine import Machine, Run, machines
from tests.crashes.orders import Kill, Side
from tests.crashes.play import SWEEPS
from tests.crashes.points import SEND
from tests.crashes.story import COMES_BACK, FAILS_LONG, FAILS_TWICE, PLAIN, REFUSED

Kills = Sequence[Kill]


@dataclass
class Fleet:
    """Machines that share the runs of a test."""

    machines: list[Machine]

    def count(self, story: str) -> list[str]:
        """The points of a story that nobody interrupts, and in which nothing may be wrong."""
        run = self.machines[0].play(story)
        assert problems(run, ()) == []
        assert run.lives[0].facts is not None
        assert run.lives[0].facts.refused == []
        assert sum(label.startswith(SEND) for label in run.points) == self.machines[0].receiver.requests
        return run.points

    def play(self, story: str, plans: Sequence[Kills], fault: str = "") -> list[tuple[Kills, Run]]:
        """One run for each plan of kills."""
        free: SimpleQueue[Machine] = SimpleQueue()
        for machine in self.machines:
            free.put(machine)

        def play(kills: Kills) -> tuple[Kills, Run]:
            machine = free.get()
            try:
                return kills, machine.play(story, kills, fault)
            finally:
                free.put(machine)

        with ThreadPoolExecutor(len(self.machines)) as pool:
            return list(pool.map(play, plans))


@pytest.fixture(scope="module")
def on_postgresql(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with machines(tmp_path_factory.mktemp("postgresql"), postgres_url) as made:
        yield Fleet(made)


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with machines(tmp_path_factory.mktemp("sqlite")) as made:
        yield Fleet(made)


def problems(run: Run, kills: Kills) -> list[str]:
    """What went wrong in a run, each with where it died."""
    died = ((kill, life.points[-1]) for kill, life in zip(kills, run.lives, strict=False) if life.points)
    where = "; ".join(f"{kill} ({point})" for kill, point in died)
    return [f"{finding} [{where or 'not killed'}]" for finding in run.findings]


def everywhere(points: Sequence[str], label: str = "") -> list[Kills]:
    """One death before and one after each point whose label begins so."""
    numbers = [number for number, said in enumerate(points, 1) if said.startswith(label)]
    return [(Kill(number, side),) for number, side in product(numbers, Side)]


def crash_everywhere(fleet: Fleet, story: str) -> None:
    """Play the story once for each side of each point."""
    points = fleet.count(story)
    played = fleet.play(story, everywhere(points))
    assert len(played) == 2 * len(points)
    for (kill,), run in played:
        assert len(run.lives) == 2, f"{kill} was never reached"
        assert run.points == points[: kill.number], f"{kill} came by other points than the run that was counted"
    assert [problem for kills, run in played for problem in problems(run, kills)] == []


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("story", [FAILS_TWICE.name, FAILS_LONG.name, COMES_BACK.name, REFUSED.name])
def test_no_crash_loses_doubles_or_leaves_anything(on_postgresql: Fleet, story: str) -> None:
    crash_everywhere(on_postgresql, story)


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_no_crash_does_so_on_sqlite(on_sqlite: Fleet) -> None:
    """The story that tells most: each costs another half minute."""
    crash_everywhere(on_sqlite, FAILS_TWICE.name)


@pytest.mark.proof
@pytest.mark.timeout(300)
@pytest.mark.parametrize("story", [FAILS_TWICE.name, REFUSED.name])
def test_it_may_die_again_and_again(on_postgresql: Fleet, story: str) -> None:
    """Three deaths in a row at places that differ from run to run (pytest-randomly says from which seed)."""
    most = len(on_postgresql.count(story))
    ends = (most // 2, most // 4, 6)  # a later life has less left to do
    plans = [[Kill(random.randint(1, end), random.choice(list(Side))) for end in ends] for _ in range(15)]
    at_once = [Kill(1, Side.BEFORE)] * 3
    played = on_postgresql.play(story, [*plans, at_once])
    assert any(len(run.lives) == 4 for _, run in played)
    assert [problem for kills, run in played for problem in problems(run, kills)] == []


@pytest.mark.proof
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", FAULTS)
def test_the_harness_finds_what_is_broken(on_sqlite: Fleet, name: str) -> None:
    """With the fault nothing is wrong while nobody dies, as in any other test; it takes a death at the right place."""
    fault = FAULTS[name]
    ((_, unharmed),) = on_sqlite.play(PLAIN.name, [()], name)
    assert problems(unharmed, ()) == []
    plans = everywhere(unharmed.points, fault.label)
    assert plans, f"no point begins with {fault.label!r}: {unharmed.points}"
    played = on_sqlite.play(PLAIN.name, plans, name)
    found = {kill.side for (kill,), run in played for finding in run.findings if finding.kind is fault.kind}
    assert found == fault.sides


def test_a_tick_is_all_that_is_scheduled() -> None:
    """A sweep that is missing here would be missed by every proof above."""
    assert {entry["task"] for entry in app.conf.beat_schedule.values()} == set(SWEEPS)


@pytest.mark.slow
@pytest.mark.timeout(300)  # some seconds on a machine that has nothing else to do
def test_a_few_crashes_at_random_do_no_harm(tmp_path: Path) -> None:
    """A small sample of the proof above, so that what breaks it is seen soon."""
    with machines(tmp_path, count=1) as made:
        plans = [[Kill(random.randint(9, 40), random.choice(list(Side)))] for _ in range(4)]
        played = Fleet(made).play(FAILS_TWICE.name, plans)
    assert any(len(run.lives) == 2 for _, run in played)
    assert [problem for kills, run in played for problem in problems(run, kills)] == []
