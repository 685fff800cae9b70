"""Shared state, error reports, vocabulary, registry and accounts: what their writers keep and refuse."""

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from jobs.domain.errors import (
    Invalid,
    JobTerminal,
    NotAllowed,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
    RelativeValue,
)
from jobs.domain.preconditions import NO_PRECONDITION, Precondition
from jobs.models import JobEvent, Location, ServiceToken, StateRevision, VocabularyTerm
from jobs.services.accounts import authenticate, issue_token, revoke_token, rotate_webhook_secret
from jobs.services.error_reports import write_report
from jobs.services.job_reports import cancel_as_operator
from jobs.services.registry import delete_location, live_locations, location_etag, put_location
from jobs.services.shared_state import CurrentState, current_state, patch_state, put_state
from jobs.services.vocabulary import load_terms, write_term
from tests.jobs.scenario import Story

pytestmark = pytest.mark.django_db


@pytest.fixture
def story() -> Story:
    story = Story()
    story.put_job()
    write_term("price", {"schema": {"type": "number"}}, precondition=NO_PRECONDITION)
    write_term("note", {}, precondition=NO_PRECONDITION)
    return story


def put(story: Story, text: str, tag: str = '"s0"', by: str = "cart") -> CurrentState:
    return put_state(
        story.job_id,
        story.service(by),
        text,
        json.loads(text),
        precondition=Precondition(if_match=(tag,)),
        now=story.now,
    )


def test_what_was_put_comes_back_byte_for_byte_with_every_revision_kept(story: Story) -> None:
    text = '{ "price" : 1.50,\n "note": "\\u00e9" }'
    state = put(story, text)
    assert (current_state(story.job).body, state.etag) == (text, '"s1"')
    put(story, '{"price": 2}', state.etag)
    assert [(r.revision, r.body) for r in StateRevision.objects.order_by("revision")] == [
        (1, text),
        (2, '{"price": 2}'),
    ]


def test_a_write_needs_the_present_tag_and_a_repeat_makes_no_revision(story: Story) -> None:
    cart = story.service("cart")
    with pytest.raises(PreconditionRequired):
        put_state(story.job_id, cart, "{}", {}, precondition=NO_PRECONDITION, now=story.now)
    state = put(story, '{"price": 1}')
    with pytest.raises(PreconditionFailed) as caught:
        put(story, '{"price": 2}')
    assert caught.value.extra["etag"] == state.etag
    assert put(story, '{"price": 1}', state.etag).etag == state.etag
    assert StateRevision.objects.count() == 1


def test_a_patch_merges_and_null_removes(story: Story) -> None:
    state = put(story, '{"price": 1, "note": "x"}')
    cart, now = story.service("cart"), story.now
    match = Precondition(if_match=(state.etag,))
    patched = patch_state(story.job_id, cart, {"note": None, "price": 2}, precondition=match, now=now)
    assert patched.body == '{"price":2}'
    match = Precondition(if_match=(patched.etag,))
    assert patch_state(story.job_id, cart, {"price": 2}, precondition=match, now=now) == current_state(story.job)


def test_state_must_fit_the_vocabulary(story: Story) -> None:
    with pytest.raises(Invalid) as caught:
        put(story, '{"price": "dear", "colour": "red"}')
    assert {error.pointer for error in caught.value.errors} == {"/price", "/colour"}
    with override_settings(CHOREO_VOCABULARY="open"):
        put(story, '{"colour": "red"}')


def test_strangers_and_ended_jobs_take_no_state(story: Story) -> None:
    with pytest.raises(NotAllowed):
        put(story, "{}", by="tax")
    story.put_task("tax")
    put(story, '{"price": 1}', by="tax")
    story.patch_job(status="completed")
    with pytest.raises(JobTerminal):
        put(story, '{"price": 2}', '"s1"')


def test_while_a_job_is_cancelling_its_reverts_may_still_write(story: Story) -> None:
    story.chain("tax")
    cancel_as_operator(story.job_id, "admin", now=story.now)
    assert put(story, '{"price": 1}', by="tax").revision == 1


class OneWriterAtATime(TestCase):
    """Optimistic writers never overwrite what they have not seen."""

    @given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=12))
    def test_only_writers_that_saw_the_newest_state_win(self, writes: list[tuple[int, int]]) -> None:
        story = Story()
        story.put_job()
        write_term("price", {}, precondition=NO_PRECONDITION)
        seen = dict.fromkeys(range(4), current_state(story.job))
        truth = "{}"
        for writer, price in writes:
            text = json.dumps({"price": price})
            fresh = seen[writer].etag == current_state(story.job).etag
            try:
                put(story, text, seen[writer].etag)
                assert fresh
                truth = text
            except PreconditionFailed:
                assert not fresh
            seen[writer] = current_state(story.job)
        assert current_state(story.job).body == truth


def report(story: Story, report_id: uuid.UUID, body: dict[str, Any], by: str = "cart") -> bool:
    written = write_report(
        story.job_id, report_id, story.service(by), body, precondition=NO_PRECONDITION, now=story.now
    )
    return written.created


def test_a_halting_report_calls_for_help_once(story: Story) -> None:
    report_id = uuid.uuid4()
    assert report(story, report_id, {"title": "No stock"})
    assert not JobEvent.objects.exclude(cause="").exists()
    assert not report(story, report_id, {"title": "No stock", "halting": True, "shelf": 7})
    assert not report(story, report_id, {"title": "No stock", "halting": True, "shelf": 7})
    assert not report(story, report_id, {"title": "No stock at all", "halting": True})
    assert JobEvent.objects.filter(cause="haltingError").count() == 1
    with pytest.raises(NotAllowed):
        report(story, uuid.uuid4(), {}, by="tax")
    story.put_task("tax")
    with pytest.raises(NotAllowed):
        report(story, report_id, {}, by="tax")


def test_terms_are_kept_once_and_versioned_by_change() -> None:
    first = write_term("sku", {"title": "SKU"}, precondition=NO_PRECONDITION)
    again = write_term("sku", {"title": "SKU"}, precondition=NO_PRECONDITION)
    other = write_term("sku", {"title": "Stock unit"}, precondition=NO_PRECONDITION)
    assert [(w.created, w.row.version) for w in (first, again, other)] == [(True, 1), (False, 1), (False, 2)]
    with pytest.raises(RelativeValue):
        write_term("skuDelta", {}, precondition=NO_PRECONDITION)


def test_a_vocabulary_is_loaded_whole_or_not_at_all() -> None:
    alps = {
        "alps": {
            "version": "1.0",
            "descriptor": [
                {"id": "total", "title": "Total", "ext": [{"id": "schema", "value": '{"type": "number"}'}]},
                {"id": "pay", "type": "idempotent"},
                {"id": "city", "doc": {"value": "Where to."}},
            ],
        }
    }
    assert load_terms(alps) == 2
    assert VocabularyTerm.objects.get(property="total").schema == {"type": "number"}
    with pytest.raises(RelativeValue) as caught:
        load_terms({"terms": [{"property": "street"}, {"property": "addLine"}]})
    assert [error.pointer for error in caught.value.errors] == ["/terms/1"]
    assert not VocabularyTerm.objects.filter(property="street").exists()


@pytest.mark.parametrize(
    "document", [{}, {"terms": 1}, {"terms": [1]}, {"alps": 1}, {"alps": {"descriptor": [{"id": 1}]}}]
)
def test_a_document_that_is_no_vocabulary_says_so(document: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        load_terms(document)
    assert caught.value.errors


def test_a_location_lives_as_long_as_its_lease(story: Story) -> None:
    tax, location_id = story.service("tax"), uuid.uuid4()
    values = {"url": "https://tax.example", "priority": None, "lease_seconds": 30, "kind": None}
    first = put_location("tax", location_id, tax, values, precondition=NO_PRECONDITION, now=story.now)
    tag = location_etag(first.row)
    story.after(20)
    again = put_location("tax", location_id, tax, values, precondition=NO_PRECONDITION, now=story.now)
    assert (first.created, again.created, location_etag(again.row)) == (True, False, tag)
    assert live_locations("tax", story.after(29)).count() == 1
    assert live_locations("tax", story.after(1)).count() == 0
    with pytest.raises(NotFound):
        delete_location("tax", location_id, tax, precondition=NO_PRECONDITION, now=story.now)
    with pytest.raises(NotAllowed):
        put_location("tax", location_id, story.service("pay"), values, precondition=NO_PRECONDITION, now=story.now)


def test_locations_are_tried_primary_first_and_then_by_priority(story: Story) -> None:
    tax = story.service("tax")
    for url, priority, kind in [("c", 0, "fallback"), ("b", 5, "primary"), ("a", 1, "primary")]:
        values = {"url": f"https://{url}.example", "priority": priority, "lease_seconds": 30, "kind": kind}
        put_location("tax", uuid.uuid4(), tax, values, precondition=NO_PRECONDITION, now=story.now)
    assert [x.url for x in live_locations("tax", story.now)] == [f"https://{x}.example" for x in "abc"]
    location = Location.objects.first()
    assert location is not None
    delete_location("tax", location.location_id, tax, precondition=NO_PRECONDITION, now=story.now)
    assert live_locations("tax", story.now).count() == 2


def test_a_token_opens_until_it_is_revoked_and_only_its_hash_is_kept(story: Story) -> None:
    token = issue_token("tax", scopes=["vocabulary"])
    found = authenticate(token, story.now)
    assert found is not None
    assert (found.service.name, found.scopes) == ("tax", ["vocabulary"])
    assert token not in str(ServiceToken.objects.values())
    found.service.refresh_from_db()
    assert found.service.last_seen_at == story.now
    revoke_token(found.pk, story.now)
    assert authenticate(token, story.now + timedelta(days=1)) is None


@pytest.mark.parametrize("token", ["", "choreo_x", "\ud800", "x" * 9999])
def test_what_is_no_token_opens_nothing(story: Story, token: str) -> None:
    assert authenticate(token, story.now) is None


def test_bad_names_and_scopes_are_refused() -> None:
    for name in ["", "Tax", "a b", "-a", "x" * 101]:
        with pytest.raises(Invalid):
            issue_token(name)
    with pytest.raises(Invalid):
        issue_token("tax", scopes=["everything"])


def test_a_rotated_secret_replaces_the_old_one(story: Story) -> None:
    tax = story.service("tax")
    old = tax.webhook_secret
    assert rotate_webhook_secret(tax, story.now) != old
    assert story.service("tax").webhook_secret == tax.webhook_secret
