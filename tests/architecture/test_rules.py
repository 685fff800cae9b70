"""Rules about the code as a whole, which no linter of ours can see."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

import pytest
from celery import current_app
from django.apps import apps
from django.contrib import admin

from choreo_web.settings import BASE_DIR

PACKAGES = ("choreo_web", "jobs", "escalation", "client/choreo_client", "examples")
FILE_LINES, TEST_FILE_LINES = 300, 400
MEDIAN_LINES, P90_LINES = 8, 30

SEEN_WITHIN_ANOTHER = {
    "jobs.JobProgress": "a rendering of the job",
    "jobs.CallAttempt": "on the job page, below its call",
    "jobs.StateRevision": "on the job page, as the history of the shared state",
    "jobs.SweepBeat": "on the dashboard, as the health of the sweeps",
    "escalation.PolicyStep": "in the form of its policy",
    "escalation.IncidentCause": "on the incident's page",
    "escalation.IncidentNote": "on the incident's page",
    "escalation.DeliveryAttempt": "on the notification's page",
    "escalation.Watermark": "how far the history was read: nothing to see",
}
"""Models without screens of their own, and where a person sees them instead."""

MAY_SLEEP = {
    "tests/servers.py": "waits for a server to start",
    "tests/acceptance/choreo.py": "waits for Choreo's processes",
    "tests/client/checkout.py": "waits for the example's processes",
    "tests/client/test_checkout_processes.py": "waits for the example's processes",
    "tests/faults/scene.py": "keeps a server away for as long as the promise says",
    "tests/jobs/test_outbound_guard.py": "is the resolver that hangs",
    "tests/transports/test_kannel.py": "waits for Kannel",
}
"""Where `sleep` may stand, and why: a rule gets its time as an argument, and a test passes it."""


def sources(*folders: str) -> list[Path]:
    """Our Python files below these folders of the project, without migrations."""
    found = [path for folder in folders for path in sorted((BASE_DIR / folder).rglob("*.py"))]
    return [path for path in found if "migrations" not in path.parts]


def name_of(path: Path) -> str:
    return path.relative_to(BASE_DIR).as_posix()


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of code: from `def` to the end, without the docstring."""
    first = function.body[0]
    docstring = ast.get_docstring(function, clean=False) is not None
    told = (first.end_lineno or first.lineno) - first.lineno + 1 if docstring else 0
    return (function.end_lineno or function.lineno) - function.lineno + 1 - told


@pytest.mark.parametrize("path", sources(*PACKAGES, "tests"), ids=name_of)
def test_no_file_is_longer_than_a_person_reads_at_once(path: Path) -> None:
    limit = TEST_FILE_LINES if name_of(path).startswith("tests/") else FILE_LINES
    assert len(path.read_text().splitlines()) <= limit


@pytest.mark.parametrize("package", PACKAGES)
def test_functions_stay_small(package: str) -> None:
    sizes = [lines_of(function) for path in sources(package) for function in functions(path)]
    assert sizes, f"no function found in {package}"
    assert median(sizes) <= MEDIAN_LINES
    assert quantiles(sizes, n=10)[-1] <= P90_LINES


def test_every_model_can_be_seen_by_an_operator() -> None:
    admin.autodiscover()
    models = [model for app in ("jobs", "escalation", "choreo_web") for model in apps.get_app_config(app).get_models()]
    unseen = {model._meta.label for model in models if not admin.site.is_registered(model)}
    assert unseen == set(SEEN_WITHIN_ANOTHER)


def test_every_command_is_tested() -> None:
    commands = {path.stem for path in BASE_DIR.glob("*/management/commands/[!_]*.py")}
    assert "up" in commands
    tests = "\n".join(path.read_text() for path in sources("tests"))
    assert {command for command in commands if f'"{command}"' not in tests} == set()


@pytest.mark.django_db  # Celery checks the models, and so asks the database, when it first loads the tasks
def test_every_scheduled_task_exists_and_expires() -> None:
    current_app.loader.import_default_modules()
    for entry in current_app.conf.beat_schedule.values():
        assert entry["task"] in current_app.tasks
        assert entry["options"]["expires"] > entry["schedule"]


@pytest.mark.parametrize("path", [p for p in sources("tests") if name_of(p) not in MAY_SLEEP], ids=name_of)
def test_no_test_sleeps(path: Path) -> None:
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    names = [func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "") for func in calls]
    assert "sleep" not in names


def pages() -> list[Path]:
    """What browsers and mail readers get from us: templates, and our own static files."""
    kinds = {".html", ".css", ".js", ".svg"}
    folders = [BASE_DIR / "templates", *BASE_DIR.glob("*/templates"), *BASE_DIR.glob("*/static")]
    return [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in kinds]


OTHER_HOST = re.compile(
    r"""(?:\b(?:src|srcset|action|data|poster)\s*=|<link\b[^>]*\bhref\s*=|\burl\(|@import\b|\b(?:fetch|import)\()"""
    r"""\s*["']?\s*(?:https?:)?//""",
    re.IGNORECASE,
)


@pytest.mark.parametrize("path", pages(), ids=name_of)
def test_no_page_loads_from_another_host(path: Path) -> None:
    assert OTHER_HOST.findall(path.read_text()) == []


@pytest.mark.parametrize(
    "page",
    [
        '<script src="https://cdn.example/x.js">',
        "<link rel=stylesheet href='//cdn.example/x.css'>",
        "body { background: url(https://cdn.example/x.png) }",
        '@import "https://cdn.example/x.css"',
        "fetch('https://api.example/')",
    ],
)
def test_the_check_for_other_hosts_finds_them(page: str) -> None:
    assert OTHER_HOST.search(page)
