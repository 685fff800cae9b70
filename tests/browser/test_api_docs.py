"""The API's documentation in a real browser: it renders under its own content security policy."""

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

if TYPE_CHECKING:
    from playwright.sync_api import Response

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize(
    ("path", "sign"), [("/api/docs", ".opblock"), ("/problems/", "table a"), ("/problems/validation", "dl")]
)
def test_the_page_renders_and_asks_no_other_host(
    browser: Browser, live_server: LiveServer, path: str, sign: str
) -> None:
    context = browser.new_context()
    page = context.new_page()
    faults: list[str] = []

    def judge(response: "Response") -> None:
        if response.status >= 400 or not response.url.startswith((live_server.url, "data:")):
            faults.append(f"{response.status} {response.url}")

    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("response", judge)
    page.goto(f"{live_server.url}{path}")
    expect(page.locator(sign).first).to_be_visible()
    if path == "/api/docs":
        page.locator(".opblock-summary").first.click()
        expect(page.locator(".opblock-body").first).to_be_visible()
    context.close()
    assert faults == []
