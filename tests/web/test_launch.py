"""What `manage.py up` settles before Django reads its settings."""

import os
import signal
from collections.abc import Iterator

import pytest

from choreo_web import launch


@pytest.fixture(autouse=True)
def kept_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment and the signal handlers, which `prepare` changes."""
    for name in ("CHOREO_PUBLIC_URL", "CHOREO_ALLOW_PRIVATE_CALLBACKS", "CHOREO_REPLAY_WINDOW"):
        monkeypatch.setenv(name, "")  # so that whatever happens is undone
        monkeypatch.delenv(name)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("arguments", "url"),
    [
        (["up"], "http://127.0.0.1:8000"),
        (["up", "--port", "9000"], "http://127.0.0.1:9000"),
        (["up", "--host=choreo.internal", "--port=80"], "http://choreo.internal:80"),
        (["up", "--host", "0.0.0.0"], "http://127.0.0.1:8000"),
        (["up", "--host", "::1"], "http://[::1]:8000"),
        (["up", "--verbosity", "2", "--port", "9000"], "http://127.0.0.1:9000"),
    ],
)
def test_the_public_url_is_where_it_listens(arguments: list[str], url: str) -> None:
    launch.prepare(arguments)
    assert os.environ["CHOREO_PUBLIC_URL"] == url
    assert "CHOREO_ALLOW_PRIVATE_CALLBACKS" not in os.environ


def test_what_the_environment_says_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHOREO_PUBLIC_URL", "https://choreo.example")
    monkeypatch.setenv("CHOREO_ALLOW_PRIVATE_CALLBACKS", "false")
    launch.prepare(["up", "--demo"])
    assert os.environ["CHOREO_PUBLIC_URL"] == "https://choreo.example"
    assert os.environ["CHOREO_ALLOW_PRIVATE_CALLBACKS"] == "false"


def test_the_demo_may_be_called_on_this_machine() -> None:
    launch.prepare(["up", "--demo"])
    assert os.environ["CHOREO_ALLOW_PRIVATE_CALLBACKS"] == "true"


@pytest.mark.parametrize(
    "arguments", [[], ["migrate"], ["up", "--port", "many"], ["up", "--port", "0"], ["up", "--port"]]
)
def test_nothing_is_settled_for_others_or_for_options_that_are_wrong(arguments: list[str]) -> None:
    launch.prepare(arguments)
    assert "CHOREO_PUBLIC_URL" not in os.environ


def test_a_stop_before_the_start_is_a_stop_in_good_order() -> None:
    launch.prepare(["up"])
    with pytest.raises(SystemExit) as stopped:
        signal.raise_signal(signal.SIGTERM)
    assert stopped.value.code == 0
