"""What every resource owes HTTP: methods, negotiation, problems, authentication."""

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client, override_settings
from django.utils import timezone

from jobs.api import catalogue
from jobs.api.negotiation import prefers_html, quality
from jobs.models import ServiceToken
from jobs.services import accounts
from tests.jobs.api_client import Api, problem

pytestmark = pytest.mark.django_db


def _resources(api: Api) -> dict[str, set[str]]:
    """Every kind of URL, with the methods of the contract's table."""
    job = api.job()
    task = api.task(job)
    report = f"{job}/error-reports/{uuid.uuid4()}"
    api.put(report, {"title": "x"})
    place = f"services/cart/locations/{uuid.uuid4()}"
    api.put(place, {"url": "http://cart/", "leaseSeconds": 60})
    api.put("vocabulary/updatedPrice", {})
    read, write = {"GET", "HEAD", "OPTIONS"}, {"PUT", "OPTIONS"}
    return {
        "": read,
        "jobs": read,
        job: read | write | {"PATCH"},
        f"{job}/cancellation": write,
        f"{job}/tasks": read,
        task: read | write | {"PATCH"},
        f"{job}/shared-state": read | write | {"PATCH"},
        f"{job}/progress": read,
        f"{job}/error-reports": read,
        report: read | write,
        f"{job}/budget": read,
        "services/cart/locations": read,
        place: read | write | {"DELETE"},
        "vocabulary": read,
        "vocabulary/updatedPrice": read | write,
    }


def test_every_resource_has_the_methods_of_the_table_and_refuses_all_others() -> None:
    api = Api("cart", "vocabulary")
    for path, methods in _resources(api).items():
        for method in {"GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "POST", "TRACE", "BREW"} - methods:
            for caller in (api, Api(None)):
                answer = caller.send(method, path)
                if method == "HEAD":
                    assert answer.status_code == 405
                else:
                    problem(answer, 405, "method-not-allowed")
                assert set(answer["Allow"].split(", ")) == methods
        options = Api(None).send("OPTIONS", path)
        assert (options.status_code, set(options["Allow"].split(", "))) == (204, methods)
        if "GET" in methods:
            get, head = api.get(path), api.send("HEAD", path)
            assert get.status_code == head.status_code == 200
            assert head.content == b""
            assert _stable(head) == _stable(get)


def _stable(answer: Any) -> dict[str, str]:
    headers = {name.lower(): value for name, value in answer.items()}
    return {name: value for name, value in headers.items() if name not in {"date", "request-id", "content-length"}}


def test_every_resource_but_the_home_asks_who_you_are() -> None:
    api = Api("cart", "vocabulary")
    token = api.headers["Authorization"].split()[1]
    bad = ["Bearer wrong", "Bearer", "Bearer ", "bearer\t", f"Basic {token}", token, "Bearer caf\xe9", ""]
    for path, methods in _resources(api).items():
        for method in methods - {"OPTIONS"}:
            if path == "":
                assert Api(None).send(method, path).status_code == 200
                continue
            for header in [None, *bad]:
                given = {} if header is None else {"authorization": header}
                answer = Api(None).send(method, path, **given)
                if method != "HEAD":
                    problem(answer, 401, "unauthorized")
                assert answer["WWW-Authenticate"].startswith("Bearer")
    assert Api(None).get("jobs", authorization=f"bEARER {token}").status_code == 200


def test_a_revoked_token_opens_nothing() -> None:
    api = Api()
    accounts.revoke_token(ServiceToken.objects.get().pk, timezone.now())
    problem(api.get("jobs"), 401, "unauthorized")


@pytest.mark.parametrize(
    ("path", "slug"),
    [
        ("/api/", "not-found"),
        ("/api/v1/nothing", "not-found"),
        ("/api/v2/jobs", "not-found"),
        ("/api/v1/jobs/", "not-found"),
        ("/api/v1/services/No_Such/locations", "not-found"),
        ("/api/v1/%00", "not-found"),
        ("/api/v1/caf%C3%A9", "not-found"),
    ],
)
def test_an_unknown_path_is_a_problem(path: str, slug: str) -> None:
    problem(Api().get(path), 404, slug)
    assert problem(Api().put(path, {}), 404, slug)["instance"].isascii()


def test_the_home_is_there_with_and_without_its_slash() -> None:
    assert Api(None).get("/api/v1/").status_code == 200
    assert Api(None).get("/api/v1")["Location"] == "/api/v1/"


def test_a_wrong_host_is_a_problem() -> None:
    problem(Api().get("jobs", host="evil.example"), 400, "bad-request")


@override_settings(ROOT_URLCONF="tests.jobs.api_crash")
def test_a_database_that_is_away_is_503() -> None:
    answer = Api(None).get(f"jobs/{uuid.uuid4()}/database")
    assert "secret" not in str(problem(answer, 503, "unavailable"))
    assert int(answer["Retry-After"]) > 0


def test_a_database_that_is_away_when_the_token_is_looked_up_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OperationalError("secret")

    api = Api()
    monkeypatch.setattr("jobs.api.authentication.authenticate", fail)
    problem(api.get("jobs"), 503, "unavailable")


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json", 200),
        ("*/*", 200),
        ("application/*;q=0.1", 200),
        ("application/json;q=0", 406),
        ("*/*, application/json;q=0", 406),
        ("image/png", 406),
        ("", 200),
        ("rubbish", 406),
        ("text/html, application/json", 200),
    ],
)
def test_accept(accept: str, status: int) -> None:
    answer = Api().get("jobs", accept=accept)
    assert answer.status_code == status
    if status == 406:
        problem(answer, 406, "not-acceptable")


def test_a_write_that_could_not_be_answered_is_not_done() -> None:
    api, path = Api(), f"jobs/{uuid.uuid4()}"
    problem(api.put(path, {"jobName": "x"}, accept="image/png"), 406, "not-acceptable")
    problem(api.get(path), 404, "not-found")


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("text/html", True),
        ("text/*", True),
        ("TEXT/HTML;Q=1", True),
        ("*/*", False),
        ("", False),
        ("application/json, text/html", False),
        ("application/json, text/html;q=0.9", False),
        ("application/json;q=0.5, text/html;q=0.9", True),
        ("text/html;q=0", False),
        ("text/html;q=nonsense", False),
        ("text/plain", False),
    ],
)
def test_who_is_a_person(accept: str, html: bool) -> None:
    request = Client().get("/problems/", headers={"accept": accept}).wsgi_request
    assert prefers_html(request) is html


def test_the_most_precise_range_counts() -> None:
    accept = "*/*;q=0.1, application/*;q=0.5, application/json;q=0.9"
    assert quality(accept, "application/json") == (0.9, 2)
    assert quality(accept, "application/xml") == (0.5, 1)
    assert quality(accept, "image/png") == (0.1, 0)


def test_every_kind_of_problem_has_a_page() -> None:
    index = Client().get("/problems/").content.decode()
    for kind in catalogue.kinds():
        page = Client().get(f"/problems/{kind.slug}")
        assert page.status_code == 200
        assert kind.advice in page.content.decode().replace("&#x27;", "'").replace("&quot;", '"')
        assert f'href="/problems/{kind.slug}"' in index
    assert Client().get("/problems/no-such").status_code == 404


def test_a_session_reads_and_does_not_write() -> None:
    api = Api()
    job = api.job()
    User.objects.create_user("ann", password="x", is_staff=True)
    browser = Client()
    operator = Api(None, client=browser)
    browser.force_login(User.objects.get())
    assert operator.get(job).status_code == 200
    assert operator.get("jobs").json()["jobs"][0]["jobID"] in job
    for method in ("PUT", "PATCH"):
        problem(operator.send(method, job, {"jobName": "x"}), 403, "forbidden")
    problem(operator.put("vocabulary/price", {}), 403, "forbidden")
    User.objects.update(is_staff=False)
    problem(operator.get(job), 401, "unauthorized")


def test_the_docs_page_needs_nothing_inline_and_no_other_host() -> None:
    page = Client().get("/api/docs")
    text = page.content.decode()
    assert "script-src" not in page["Content-Security-Policy"]
    assert "default-src 'self'" in page["Content-Security-Policy"]
    assert "<script>" not in text
    assert "//" not in text.replace("http://127.0.0.1:8000/", "")
