"""Who may speak to the studio."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.websockets import WebSocketDisconnect

from tests.support.studio import ORIGIN, TOKEN, Page, opened_page


@pytest.fixture
def page(tmp_path) -> Iterator[Page]:
    with opened_page(tmp_path / "studio") as opened:
        yield opened


def status(page: Page, path: str, **headers: str) -> int:
    given = {"x-studio-token": TOKEN, "origin": ORIGIN} | headers
    return int(page.client.get(path, headers=given).status_code)


def test_whoever_knows_the_token_gets_in(page: Page) -> None:
    assert status(page, "/api/state") == 200
    assert status(page, "/api/state", **{"x-studio-token": "another"}) == 403
    assert status(page, "/api/state", **{"x-studio-token": ""}) == 403
    assert status(page, f"/api/report?token={TOKEN}", **{"x-studio-token": "another"}) == 403


def test_the_page_itself_needs_no_token_and_holds_none(page: Page) -> None:
    for path in ("/", "/page/main.js", "/page/style.css"):
        answer = page.client.get(path, headers={"x-studio-token": ""})
        assert answer.status_code == 200
        assert TOKEN not in answer.text


@pytest.mark.parametrize(
    ("host", "origin", "found"),
    [
        ("127.0.0.1:8770", "http://127.0.0.1:8770", 200),
        ("[::1]:8770", "http://[::1]:8770", 200),
        ("localhost", "http://localhost", 200),
        ("Studio.Local:1", "http://studio.local:1", 200),
        ("evil.example", "http://evil.example", 403),
        ("127.0.0.1.evil.example:8770", "http://127.0.0.1.evil.example:8770", 403),
        ("127.0.0.1:8770", "http://evil.example", 403),
        ("127.0.0.1:8770", "http://127.0.0.1:9999", 403),
        ("127.0.0.1:8770", "https://127.0.0.1:8770", 403),
        ("127.0.0.1:8770", "null", 403),
        ("", "http://127.0.0.1:8770", 403),
    ],
)
def test_only_pages_of_this_studio_by_a_name_of_this_machine_get_in(
    page: Page, host: str, origin: str, found: int
) -> None:
    assert status(page, "/api/state", host=host, origin=origin) == found


@pytest.mark.parametrize("path", ["/api/events", "/api/record"])
def test_web_sockets_are_guarded_too(page: Page, path: str) -> None:
    here = ORIGIN.replace("http", "ws") + path
    for address, origin in ((here, ORIGIN), (f"{here}?token=another", ORIGIN), (f"{here}?token={TOKEN}", "http://a.b")):
        with (
            pytest.raises(WebSocketDisconnect) as closed,
            page.client.websocket_connect(address, headers={"origin": origin, "x-studio-token": ""}),
        ):
            raise AssertionError("it was let in")
        assert closed.value.code == 4403


def test_every_answer_lets_the_page_use_nothing_from_elsewhere(page: Page) -> None:
    for path in ("/", "/page/main.js", "/api/state"):
        policy = page.client.get(path).headers["content-security-policy"]
        assert policy.startswith("default-src 'self';")
        assert "unsafe" not in policy
        assert "http" not in policy


def test_nothing_beside_the_page_s_files_is_given_out(page: Page) -> None:
    for path in ("/page/../studio.py", "/page/%2e%2e/studio.py", "/page/..%2fstudio.py", "/studio.py"):
        assert page.client.get(path).status_code == 404
