"""What the demo keeps from one run to the next."""

import socket
import stat
from pathlib import Path

import pytest
from pytest_django import Settings

from choreo_web.demo import HEARD_BY, Demo
from jobs.models import ServiceToken, VocabularyTerm
from jobs.services.accounts import authenticate, revoke_token
from jobs.services.clock import database_now

pytestmark = pytest.mark.django_db


@pytest.fixture
def demo(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Demo:
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr("choreo_web.demo.connection.close", lambda: None)  # the test's own transaction is in it
    return Demo("http://127.0.0.1:8000", print)


def prepared(demo: Demo) -> dict[str, dict[str, str]]:
    demo._prepare()
    return demo.places


def test_each_service_gets_a_token_a_secret_and_a_port_of_its_own(demo: Demo) -> None:
    places = prepared(demo)
    assert set(places) == set(HEARD_BY)
    assert len({place["port"] for place in places.values()}) == 4
    for name, place in places.items():
        found = authenticate(place["token"], database_now())
        assert found is not None
        assert found.service.name == name
        assert found.service.webhook_secret == place["webhookSecret"]
    assert VocabularyTerm.objects.filter(property="updatedPrice").exists()


def test_the_file_is_for_its_owner_alone(demo: Demo) -> None:
    prepared(demo)
    assert stat.S_IMODE((demo.folder / "services.json").stat().st_mode) == 0o600


def test_a_restart_keeps_them(demo: Demo) -> None:
    assert prepared(demo) == prepared(demo)
    assert ServiceToken.objects.count() == 4


def test_a_token_that_no_longer_works_is_replaced(demo: Demo) -> None:
    first = dict(prepared(demo))
    revoke_token(ServiceToken.objects.get(service__name="pay").pk, database_now())
    second = prepared(demo)
    assert second["pay"]["token"] != first["pay"]["token"]
    assert second["tax"] == first["tax"]


def test_a_port_that_somebody_else_took_is_replaced(demo: Demo) -> None:
    first = dict(prepared(demo))
    with socket.create_server(("127.0.0.1", int(first["pay"]["port"]))):
        second = prepared(demo)
    assert second["pay"]["port"] != first["pay"]["port"]


def test_a_spoilt_file_is_no_obstacle(demo: Demo) -> None:
    demo.folder.mkdir(parents=True)
    (demo.folder / "services.json").write_text("{")
    assert set(prepared(demo)) == set(HEARD_BY)
