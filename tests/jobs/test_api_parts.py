"""Error reports, the registry and the vocabulary."""

import json
import uuid
from datetime import timedelta

import pytest

from jobs.models import JobEvent, Location, VocabularyTerm
from jobs.services.clock import database_now
from tests.jobs.api_client import Api, pointers, problem

pytestmark = pytest.mark.django_db
PROBLEM = {
    "type": "https://tax.example/problems/rates",
    "title": "No rates",
    "status": 502,
    "detail": "none",
    "instance": "/r/1",
}


def test_a_report_is_made_corrected_and_read() -> None:
    api = Api()
    job, task_id = api.job(), str(uuid.uuid4())
    path = f"{job}/error-reports/{uuid.uuid4()}"
    given = {**PROBLEM, "taskID": task_id.upper(), "halting": True, "balance": 30, "nothing": None}
    made = api.put(path, given)
    assert (made.status_code, made["Location"]) == (201, f"http://127.0.0.1:8000/api/v1/{path}")
    body = api.get(path).json()
    assert made.json() == body
    assert body.items() >= {**PROBLEM, "taskID": task_id, "halting": True, "reportService": "cart"}.items()
    assert "balance" not in body
    tag = api.get(path)["ETag"]
    assert api.put(path, given).status_code == 200
    assert api.get(path)["ETag"] == tag
    assert JobEvent.objects.filter(cause="haltingError").count() == 1
    assert api.put(path, {"title": "other"}).json()["halting"] is False
    assert api.send("PUT", path, PROBLEM, "application/problem+json").status_code == 200


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("title", 5),
        ("title", "x" * 501),
        ("status", "502"),
        ("status", 99),
        ("status", 600),
        ("halting", "true"),
        ("taskID", "x"),
        ("type", []),
    ],
)
def test_a_report_that_does_not_fit(member: str, value: object) -> None:
    api = Api()
    assert pointers(api.put(f"{api.job()}/error-reports/{uuid.uuid4()}", {member: value})) == {f"/{member}"}


def test_only_participants_report_and_only_authors_correct() -> None:
    cart, tax = Api("cart"), Api("tax")
    job = cart.job()
    path = f"{job}/error-reports/{uuid.uuid4()}"
    problem(tax.put(path, PROBLEM), 403, "forbidden")
    tax.task(job)
    assert tax.put(path, PROBLEM).status_code == 201
    problem(cart.put(path, PROBLEM), 403, "forbidden")
    problem(cart.get(f"{job}/error-reports/{uuid.uuid4()}"), 404, "not-found")
    problem(cart.put(f"jobs/{uuid.uuid4()}/error-reports/{uuid.uuid4()}", PROBLEM), 404, "not-found")


def test_a_location_is_leased_renewed_listed_and_taken_out() -> None:
    cart, tax = Api("cart"), Api("tax")
    ids = sorted(str(uuid.uuid4()) for _ in range(3))
    paths = [f"services/cart/locations/{location_id}" for location_id in ids]
    bodies = [
        {"url": "http://c/", "leaseSeconds": 60, "kind": "fallback"},
        {"url": "http://b/", "leaseSeconds": 60, "priority": 2},
        {"url": "http://a/", "leaseSeconds": 60, "priority": 1},
    ]
    for path, body in zip(paths, bodies, strict=True):
        assert cart.put(path, body).status_code == 201
        tag = cart.get(path)["ETag"]
        assert cart.put(path, body).status_code == 200
        assert cart.get(path)["ETag"] == tag
    listed = tax.get("services/cart/locations")
    assert [row["url"] for row in listed.json()["locations"]] == ["http://a/", "http://b/", "http://c/"]
    assert listed["Cache-Control"] == "private, max-age=5"
    problem(tax.put(paths[0], bodies[0]), 403, "forbidden")
    problem(tax.send("DELETE", paths[0]), 403, "forbidden")
    assert cart.send("DELETE", paths[0]).status_code == 204
    Location.objects.filter(priority=1).update(lease_expires_at=database_now() - timedelta(seconds=1))
    assert [row["url"] for row in tax.get("services/cart/locations").json()["locations"]] == ["http://b/"]
    problem(tax.get(paths[2]), 404, "not-found")
    problem(tax.get("services/nobody/locations"), 404, "not-found")


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("url", None),
        ("url", "tax"),
        ("leaseSeconds", 4),
        ("leaseSeconds", 86401),
        ("leaseSeconds", None),
        ("priority", -1),
        ("kind", "x"),
    ],
)
def test_a_location_that_does_not_fit(member: str, value: object) -> None:
    body = {"url": "http://c/", "leaseSeconds": 60, member: value}
    assert pointers(Api().put(f"services/cart/locations/{uuid.uuid4()}", body)) == {f"/{member}"}


def test_a_term_is_written_with_the_scope_alone() -> None:
    plain, writer = Api("cart"), Api("cart", "vocabulary")
    body = {"title": "Price", "description": "In euro.", "schema": {"type": "number"}, "searchable": True}
    problem(plain.put("vocabulary/updatedPrice", body), 403, "forbidden")
    made = writer.put("vocabulary/updatedPrice", body)
    assert (made.status_code, made["Location"]) == (201, "http://127.0.0.1:8000/api/v1/vocabulary/updatedPrice")
    assert made.json().items() >= {**body, "property": "updatedPrice", "absoluteByDefinition": False}.items()
    assert writer.put("vocabulary/updatedPrice", body).status_code == 200
    assert plain.get("vocabulary/updatedPrice").json() == made.json()
    assert plain.get("vocabulary").json()["terms"] == [made.json()]


@pytest.mark.parametrize("name", ["percentIncrease", "priceDelta", "incrementBy", "addItems"])
def test_a_relative_term_is_refused(name: str) -> None:
    api = Api("cart", "vocabulary")
    problem(api.put(f"vocabulary/{name}", {"description": "x"}), 422, "relative-value")
    problem(api.put(f"vocabulary/{name}", {"absoluteByDefinition": True}), 422, "relative-value")
    assert api.put(f"vocabulary/{name}", {"absoluteByDefinition": True, "description": "why"}).status_code == 201


@pytest.mark.parametrize(
    "schema", [{"type": "nothing"}, {"$ref": "http://example.com/"}, {"pattern": "("}, [], "x", {"minimum": "1"}]
)
def test_a_schema_that_is_none_is_refused(schema: object) -> None:
    assert pointers(Api("cart", "vocabulary").put("vocabulary/price", {"schema": schema})) == {"/schema"}


def test_alps_goes_out_and_comes_in_again() -> None:
    api = Api("cart", "vocabulary")
    body = {"title": "P", "description": "In euro.", "schema": {"type": "number"}, "searchable": True}
    api.put("vocabulary/updatedPrice", body)
    whole = api.get("vocabulary", accept="application/alps+json")
    one = api.get("vocabulary/updatedPrice", accept="application/alps+json, application/json;q=0.5")
    assert whole["Content-Type"] == one["Content-Type"] == "application/alps+json"
    assert whole.json() == one.json()
    assert one["ETag"] != api.get("vocabulary/updatedPrice")["ETag"]
    before = VocabularyTerm.objects.get()
    again = api.send("PUT", "vocabulary/updatedPrice", one.content, "application/alps+json")
    assert again.status_code == 200
    assert VocabularyTerm.objects.get().version == before.version


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        {"alps": 5},
        {"alps": {"descriptor": []}},
        {"alps": {"descriptor": [{"id": "other"}]}},
        {"alps": {"descriptor": [{"id": "price"}, {"id": "price"}]}},
        {"alps": {"descriptor": [{"id": "price", "title": 5}]}},
        {"alps": {"descriptor": [{"id": "price", "title": "x" * 201}]}},
        {"alps": {"descriptor": [{"id": "price", "ext": [{"id": "schema", "value": "{"}]}]}},
        {"alps": {"descriptor": [{"id": "price", "ext": [{"id": "schema", "value": "5"}]}]}},
        {"alps": {"descriptor": [5]}},
    ],
    ids=lambda document: json.dumps(document)[:60],
)
def test_alps_that_does_not_fit(document: object) -> None:
    problem(
        Api("cart", "vocabulary").send("PUT", "vocabulary/price", document, "application/alps+json"), 422, "validation"
    )
