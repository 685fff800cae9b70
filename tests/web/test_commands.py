"""The management commands, but for `up`, which tests/acceptance runs as a process."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from pytest_django import Settings

from choreo_web.management.commands import up
from jobs.models import Service, VocabularyTerm
from jobs.services.accounts import authenticate
from jobs.services.clock import database_now


def said(*command: str) -> str:
    output = StringIO()
    call_command(*command, stdout=output)
    return output.getvalue()


@pytest.mark.django_db
def test_a_token_stands_alone_on_stdout_and_opens_the_service() -> None:
    token = said("issue_token", "cart")
    found = authenticate(token.removesuffix("\n"), database_now())
    assert found is not None
    assert (found.service.name, found.scopes) == ("cart", [])


@pytest.mark.django_db
def test_a_token_may_have_a_scope() -> None:
    found = authenticate(said("issue_token", "cart", "--scope", "vocabulary").strip(), database_now())
    assert found is not None
    assert found.scopes == ["vocabulary"]


@pytest.mark.django_db
@pytest.mark.parametrize("command", [("issue_token", "Not A Name"), ("issue_token", "cart", "--scope", "everything")])
def test_no_token_for_what_cannot_be(command: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        said(*command)
    assert not Service.objects.exists()


@pytest.mark.django_db
def test_the_webhook_secret_stays_until_it_is_rotated() -> None:
    said("issue_token", "cart")
    first = said("webhook_secret", "cart")
    assert first.startswith("whsec_")
    assert said("webhook_secret", "cart") == first
    second = said("webhook_secret", "cart", "--rotate")
    assert second != first
    assert said("webhook_secret", "cart") == second


@pytest.mark.django_db
def test_no_secret_of_a_service_that_does_not_exist() -> None:
    with pytest.raises(CommandError, match="There is no service 'cart'"):
        said("webhook_secret", "cart")


@pytest.mark.django_db
def test_a_vocabulary_is_loaded_as_often_as_wanted(tmp_path: Path) -> None:
    file = tmp_path / "terms.json"
    file.write_text(json.dumps({"terms": [{"property": "updatedPrice", "schema": {"type": "number"}}]}))
    assert said("load_vocabulary", str(file)) == f"1 terms loaded from {file}.\n"
    said("load_vocabulary", str(file))
    assert VocabularyTerm.objects.get().property == "updatedPrice"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[]", "must hold a JSON object"),
        (b'{"terms": [{"property": "ok", "schema": {}}, {"property": "percentIncrease", "schema": {}}]}', "/terms/1"),
    ],
)
def test_a_vocabulary_that_is_at_fault_is_refused_as_a_whole(tmp_path: Path, content: bytes, complaint: str) -> None:
    file = tmp_path / "terms.json"
    file.write_bytes(content)
    with pytest.raises(CommandError, match=complaint):
        said("load_vocabulary", str(file))
    assert not VocabularyTerm.objects.exists()


def test_a_vocabulary_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        said("load_vocabulary", str(tmp_path / "nowhere.json"))


@pytest.mark.django_db
def test_the_first_start_makes_the_operator_and_tells_a_password_that_works(settings: Settings) -> None:
    settings.CHOREO_ADMIN_PASSWORD = ""
    output = StringIO()
    up.Command(stdout=output)._first_start()
    password = output.getvalue().strip().rpartition(" ")[2]
    assert User.objects.get().check_password(password)
    assert User.objects.get().is_superuser


@pytest.mark.django_db
def test_a_given_password_is_taken_and_not_told(settings: Settings) -> None:
    settings.CHOREO_ADMIN_PASSWORD = "correct-horse"
    output = StringIO()
    up.Command(stdout=output)._first_start()
    assert User.objects.get(username="admin").check_password("correct-horse")
    assert output.getvalue() == ""


@pytest.mark.django_db
def test_where_there_is_somebody_nobody_is_made() -> None:
    User.objects.create_user("grace")
    up.Command(stdout=StringIO())._first_start()
    assert User.objects.count() == 1
