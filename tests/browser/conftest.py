"""A real browser, headless, that talks to nobody but the server under test."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, Request, Response, sync_playwright
from pytest_django.live_server_helper import LiveServer

type Scheme = Literal["light", "dark"]

CHROMIUM = "/usr/bin/chromium"
PASSWORD = "a good password"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def pytest_configure() -> None:
    """Playwright's synchronous API runs in an event loop, where Django would refuse the database."""
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium. Without it these tests are skipped on a developer's machine, and fail in CI."""
    if not Path(CHROMIUM).exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{CHROMIUM} is missing: install Debian's package chromium")
        pytest.skip(f"{CHROMIUM} is missing: install Debian's package chromium")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-background-networking", "--disable-gpu"]
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


@dataclass
class Visitor:
    """A person at a browser, and all that went wrong there."""

    page: Page
    base: str
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda m: self.faults.append(m.text) if m.type in {"error", "warning"} else None)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", self._is_ours)
        self.page.on("response", self._is_good)

    def open(self, path: str) -> None:
        """Go to a page of the server and wait for its scripts."""
        self.page.goto(f"{self.base}{path}")
        self.page.wait_for_function("window.Alpine !== undefined")

    def sign_in(self, name: str) -> None:
        """As a person does it."""
        self.open("/admin/login/")
        self.page.fill("[name=username]", name)
        self.page.fill("[name=password]", PASSWORD)
        self.page.click("[type=submit]")
        self.page.wait_for_url("**/admin/")

    def violations(self, within: str = "#content") -> list[str]:
        """What axe finds against WCAG 2.2 AA in the page's own content (Unfold's frame is Unfold's), or in a part."""
        self.page.evaluate("Promise.all(document.getAnimations().map(one => one.finished.catch(() => null)))")
        options = {"runOnly": {"type": "tag", "values": WCAG}}
        found = Axe().run(self.page, context=within, options=options).response["violations"]
        return [f"{rule['id']}: {node['html'][:150]}" for rule in found for node in rule["nodes"]]

    def _is_ours(self, request: Request) -> None:
        if not request.url.startswith((self.base, "data:", "blob:", "about:")):
            self.faults.append(f"request to {request.url}")

    def _is_good(self, response: Response) -> None:
        if response.status >= 400:
            self.faults.append(f"{response.status} for {response.url}")


@pytest.fixture(params=["1280-light", "390-dark"])
def look(request: pytest.FixtureRequest) -> tuple[int, Scheme]:
    """Width in pixels and colour scheme."""
    width, scheme = str(request.param).split("-")
    return int(width), "dark" if scheme == "dark" else "light"


@pytest.fixture
def visitor(browser: Browser, live_server: LiveServer, look: tuple[int, Scheme]) -> Iterator[Visitor]:
    """A signed-in operator. Whatever the page complained about fails the test."""
    User.objects.create_superuser("ann", "ann@example.com", PASSWORD)
    context = browser.new_context(viewport={"width": look[0], "height": 900}, color_scheme=look[1])
    visitor = Visitor(context.new_page(), live_server.url)
    visitor.sign_in("ann")
    yield visitor
    context.close()
    assert visitor.faults == []
