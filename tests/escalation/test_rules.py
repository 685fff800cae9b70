"""The rules of calling for help, without a database."""

import itertools
import unicodedata
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from escalation.domain import sms, text, wording
from escalation.domain.delivery import retry_delay
from escalation.domain.incidents import (
    INCIDENT_MOVES,
    REPEATS,
    IncidentStatus,
    Severity,
    Verb,
    ended_well,
    is_worse,
    needs_human,
    severity_of,
)
from escalation.domain.links import ascii_base, incident_links
from escalation.domain.policy import Person, Plan, Step
from escalation.services import ack_links
from jobs.domain.events import Cause
from jobs.domain.states import JobStatus, OnTaskFailure, TaskStatus

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
LINK = "https://choreo.example.com/ack/" + "a" * 48


# --- Text messages ----------------------------------------------------------------------------------------------------
@given(st.text(max_size=300), st.text(max_size=300))
@example("checkout" * 30, "over max TTL")
@example("€" * 100, "[{~^|}]" * 30)
def test_a_text_message_is_one_segment_of_the_gsm_alphabet_and_keeps_its_link(name: str, rest: str) -> None:
    message = sms.one_segment(lambda name: f"{name} {rest}. Ack: {LINK}", name, LINK)
    assert message.endswith(LINK)
    assert sms.septets(message) <= sms.SEGMENT
    assert set(message) <= sms.BASIC | sms.EXTENDED


@given(st.text(max_size=300))
def test_a_text_message_without_a_link_is_cut_at_its_end(words: str) -> None:
    message = sms.one_segment(lambda name: f"{name} is over", words, "")
    assert sms.septets(message) <= sms.SEGMENT


def test_what_fits_is_left_as_it_is() -> None:
    assert sms.one_segment(lambda name: f"{name} J1a2b over max TTL. Ack: {LINK}", "checkout", LINK) == (
        f"checkout J1a2b over max TTL. Ack: {LINK}"
    )


def test_the_name_gives_way_before_the_facts() -> None:
    message = sms.one_segment(lambda name: f"{name} J1a2b over max TTL: 2 of 4 reverted. {LINK}", "x" * 90, LINK)
    assert "J1a2b over max TTL: 2 of 4 reverted." in message
    assert message.startswith("xxx")
    assert ".. J1a2b" in message


def test_a_link_longer_than_a_segment_is_sent_whole_and_alone() -> None:
    link = "https://example.com/" + "a" * 200
    assert sms.one_segment(lambda name: f"{name}: {link}", "checkout", link) == link


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("café Ångström", "café Ångström"),
        ("naïve façade", "naive facade"),
        ("\u201cquoted\u201d \u2013 and\u2026 \u2192", '"quoted" - and... ->'),
        ("注文処理", "?"),
        ("Łódź", "Lodz"),
        ("50 €", "50 €"),
    ],
)
def test_what_the_gsm_alphabet_lacks_is_spelled_in_it(given: str, written: str) -> None:
    assert sms.to_gsm7(given) == written


def test_extended_characters_count_twice() -> None:
    assert sms.septets("a€[") == 5


# --- Text of services -------------------------------------------------------------------------------------------------
@given(st.text(), st.integers(0, 300))
def test_cleaned_text_is_one_visible_line(given: str, limit: int) -> None:
    line = text.clean(given, limit)
    assert len(line) <= limit
    assert line == line.strip()
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in line)
    line.encode("utf-8")


def test_bidi_marks_and_line_breaks_are_gone() -> None:
    assert text.clean("pay\u202e\u2066 now\r\nBcc: a@b\u2029!") == "pay now Bcc: a@b !"


def test_wording_of_causes_never_fails_and_names_the_task() -> None:
    for cause in Cause:
        assert wording.phrase(cause, "\x00", "\u202e")
    assert wording.phrase(Cause.REVERT_FAILED, "pay") == "revert of pay failed"
    job_id = uuid.UUID("1a2b" + "0" * 28)
    line = f"{wording.summary('checkout', job_id, wording.phrase(Cause.JOB_MAX_TTL))}: " + wording.progress(
        [TaskStatus.REVERTED, TaskStatus.REVERTED, TaskStatus.REVERTING, TaskStatus.COMPLETED], undoing=True
    )
    assert line == "checkout J1a2b over max TTL: 2 of 4 tasks reverted"


# --- Incidents --------------------------------------------------------------------------------------------------------
def test_every_pair_of_state_and_verb_is_decided() -> None:
    for pair in itertools.product(IncidentStatus, Verb):
        assert not (pair in INCIDENT_MOVES and pair in REPEATS)
    refused = set(itertools.product(IncidentStatus, Verb)) - set(INCIDENT_MOVES) - REPEATS
    assert refused == {(IncidentStatus.RESOLVED, Verb.ACKNOWLEDGE), (IncidentStatus.RESOLVED, Verb.REOPEN)}


def test_what_is_grave() -> None:
    grave = {cause for cause in Cause if severity_of(cause) is Severity.CRITICAL}
    assert grave == {Cause.HALTING_ERROR, Cause.REVERT_FAILED}
    assert is_worse(Severity.CRITICAL, Severity.WARNING)
    assert not is_worse(Severity.CRITICAL, Severity.CRITICAL)
    assert not is_worse(Severity.WARNING, Severity.CRITICAL)


@pytest.mark.parametrize(
    ("cause", "mode", "stays"),
    [
        (Cause.HALTING_ERROR, OnTaskFailure.CANCEL, True),
        (Cause.TASK_FAILED, OnTaskFailure.ALERT, True),
        (Cause.TASK_FAILED, OnTaskFailure.CANCEL, False),
        (Cause.JOB_MAX_TTL, OnTaskFailure.ALERT, False),
        (Cause.REVERT_FAILED, OnTaskFailure.ALERT, False),
    ],
)
def test_which_causes_need_a_human(cause: Cause, mode: OnTaskFailure, stays: bool) -> None:
    assert needs_human(cause, mode) is stays


def test_only_a_good_end_resolves() -> None:
    def ends(status: JobStatus, reason: str = "maxTTL", **facts: bool) -> bool:
        return ended_well(status, reason, **({"open_tasks": False, "stays": False, "stopped_since": True} | facts))

    assert ends(JobStatus.COMPLETED, stays=True)
    assert not ends(JobStatus.COMPLETED, stopped_since=False)
    assert ends(JobStatus.CANCELLED)
    assert ends(JobStatus.FAILED, "taskFailed")
    assert not ends(JobStatus.FAILED, "")
    assert not ends(JobStatus.CANCELLED, open_tasks=True)
    assert not ends(JobStatus.CANCELLED, stays=True)
    for status in (JobStatus.PENDING, JobStatus.WORKING, JobStatus.CANCELLING, JobStatus.REVERT_FAILED):
        assert not ends(status)


# --- Policies ---------------------------------------------------------------------------------------------------------
waits = st.lists(st.integers(0, 60), min_size=1, max_size=4)


def plan_of(minutes: list[int], repeats: int) -> Plan:
    steps = tuple(Step(wait, (Person(n, f"P{n}", f"p{n}@example.com"),)) for n, wait in enumerate(minutes))
    return Plan("any", repeats, 30, steps)


@given(waits, st.integers(0, 3), st.lists(st.integers(0, 300), max_size=30))
def test_however_the_engine_looks_each_step_is_called_as_often_as_planned(
    minutes: list[int], repeats: int, naps: list[int]
) -> None:
    plan = plan_of(minutes, repeats)
    now, step, called = NOW, 0, list[str]()
    due_at: datetime | None = NOW
    for nap in [*naps, *[10_000] * 40]:
        now += timedelta(minutes=nap)
        if due_at is None or due_at > now:
            continue
        due = plan.due(step, due_at, now)
        assert due.step > step
        assert due.next_at is None or due.next_at >= now
        step, due_at = due.step, due.next_at
        called += [person.name for person in due.people]
    assert due_at is None
    assert sorted(called) == sorted(f"P{n}" for n in range(len(minutes)) for _ in range(repeats + 1))


def test_a_policy_of_nobody_has_nothing_due() -> None:
    due = Plan("empty", 3, 30, ()).due(0, NOW, NOW)
    assert (due.people, due.step, due.next_at) == ((), 0, None)


def test_a_plan_survives_being_stored() -> None:
    plan = plan_of([0, 5], 2)
    assert Plan.from_json(plan.to_json()) == plan


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_retries_wait_longer_and_longer_but_never_more_than_a_quarter_of_an_hour(rounds: int, jitter: float) -> None:
    wait = retry_delay(rounds, jitter).total_seconds()
    assert 2.5 <= wait <= 900


# --- Ack links --------------------------------------------------------------------------------------------------------
def test_links_are_absolute_and_ascii() -> None:
    job, incident = uuid.uuid4(), uuid.uuid4()
    links = incident_links("https://bücher.example:8443", job, incident, None)
    assert links.job == f"https://xn--bcher-kva.example:8443/api/v1/jobs/{job}"
    assert links.error_report.endswith("/error-reports")
    assert ascii_base("http://[::1]:8000") == "http://[::1]:8000"


@given(st.uuids(), st.integers(0, 2**32 - 1), st.timedeltas(timedelta(), ack_links.MAX_AGE - timedelta(seconds=1)))
def test_a_signed_link_is_read_until_it_expires(incident: uuid.UUID, contact: int, age: timedelta) -> None:
    signed = ack_links.sign(incident, contact, NOW)
    assert len(signed) == 48
    assert ack_links.read(signed, NOW + age) == ack_links.AckLink(incident, contact)
    with pytest.raises(ack_links.ExpiredLink):
        ack_links.read(signed, NOW + ack_links.MAX_AGE + timedelta(seconds=1))


@given(st.data())
def test_a_link_changed_in_any_character_is_bad(data: st.DataObject) -> None:
    signed = ack_links.sign(uuid.uuid4(), 7, NOW)
    position = data.draw(st.integers(0, 47))
    other = data.draw(st.sampled_from("ABCxyz019-_.~/+= \u00e9\x00").filter(lambda c: c != signed[position]))
    with pytest.raises(ack_links.BadLink):
        ack_links.read(signed[:position] + other + signed[position + 1 :], NOW)


@given(st.text(max_size=60))
def test_nonsense_is_a_bad_link(nonsense: str) -> None:
    with pytest.raises(ack_links.BadLink):
        ack_links.read(nonsense, NOW)


def test_a_link_from_the_future_is_refused() -> None:
    with pytest.raises(ack_links.ExpiredLink):
        ack_links.read(ack_links.sign(uuid.uuid4(), 7, NOW + timedelta(days=1)), NOW)


def test_after_a_rotation_of_the_key_old_links_still_open(settings: Any) -> None:
    signed = ack_links.sign(uuid.uuid4(), 7, NOW)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key, since the old one was rotated"
    assert ack_links.read(signed, NOW).contact_id == 7
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(ack_links.BadLink):
        ack_links.read(signed, NOW)
