"""Duplicated, reordered and late PUTs leave the same bytes and the same ETags as each PUT once, in order."""

import json
import os
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.models import StateRevision
from tests import servers
from tests.concurrency import deliveries
from tests.concurrency.deliveries import SERVICES, arrivals, deliver, deliver_all, done_twice, forget, look, reference
from tests.concurrency.threads import Wire, kept_connections

MEANT = {"200", "201", "409 status-regression", "409 illegal-transition", "412 precondition-failed"}
SEEDS, PUTS, PROCESSES = 20, 10_000, 2


@pytest.fixture
def wire() -> Iterator[Wire]:
    """Services that may write, and a clock that stands still."""
    with kept_connections(), deliveries.frozen_clock():
        yield deliveries.known_wire()


@pytest.mark.django_db(transaction=True)
def test_whatever_a_network_does_leaves_the_same_bytes_and_tags(wire: Wire) -> None:
    told = deliveries.script(jobs=2)
    expected = reference(wire, told)
    forget()
    answers = deliver_all(wire, told.puts, arrivals(told.puts, 100, seed=1))
    assert set(answers) <= MEANT
    assert look(wire, told.paths) == expected
    assert done_twice() == []
    assert StateRevision.objects.count() == 2 * len(SERVICES)


@pytest.mark.django_db(transaction=True)
def test_no_order_and_no_repeat_leaves_anything_else(wire: Wire) -> None:
    """One after the other in any order that can be: what was not sent yet, since its sender waits, is passed over."""
    told = deliveries.script(jobs=1)
    expected = reference(wire, told)
    everything = range(len(told.puts))

    @settings(max_examples=5)
    @given(order=st.lists(st.sampled_from(everything), max_size=12))
    def in_any_order(order: list[int]) -> None:
        forget()
        arrived: set[int] = set()
        for position in [*order, *everything, *order]:
            if told.puts[position].needs <= arrived:
                deliver(wire, told.puts[position])
                arrived.add(position)
        assert look(wire, told.paths) == expected
        assert done_twice() == []

    in_any_order()


@pytest.mark.proof
@pytest.mark.timeout(1500)
def test_10000_puts_of_20_seeds_each_leave_the_same_bytes_and_tags(postgres_url: str) -> None:
    with ExitStack() as stack:
        running = [_start(stack, postgres_url, range(share, SEEDS, PROCESSES)) for share in range(PROCESSES)]
        results = [_result(process) for process in running]
    assert len({result["reference"] for result in results}) == 1
    runs = [run for result in results for run in result["runs"]]
    answers = sum((Counter(run["answers"]) for run in runs), Counter[str]())
    _tell(results, runs, answers)
    assert sorted(run["seed"] for run in runs) == list(range(SEEDS))
    assert [run["different"] for run in runs if run["different"]] == []
    assert {run["left"] for run in runs} == {results[0]["reference"]}
    assert {run["done_twice"] for run in runs} == {"[]"}
    assert set(answers) == MEANT, "each kind of answer came: nothing was left out by chance"
    assert answers.total() == SEEDS * PUTS


def _start(stack: ExitStack, postgres_url: str, seeds: range) -> subprocess.Popen[str]:
    url = stack.enter_context(servers.database(postgres_url, f"choreo_{secrets.token_hex(6)}"))
    environment = {
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "CHOREO_TEST_DATABASE": "postgresql",
    }
    command = [sys.executable, "-m", "tests.concurrency.deliveries", str(PUTS), *map(str, seeds)]
    return subprocess.Popen(
        command,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=servers.end_with_parent(),
    )


def _result(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    return result


def _tell(results: list[dict[str, Any]], runs: list[dict[str, Any]], answers: Counter[str]) -> None:
    seconds, cpu = (sum(run[name] for run in runs) for name in ("seconds", "cpu"))
    print(f"{answers.total()} PUTs of {results[0]['puts']} each, {results[0]['resources']} resources compared per seed")
    print(f"{seconds / PROCESSES:.0f} s, {cpu / PROCESSES:.0f} s of CPU; answers: {dict(answers.most_common())}")
