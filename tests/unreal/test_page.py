"""The page in the browser: what it shows, what it may do, and who may open it."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.unreal.conftest import ASSET, NORMAL_MAP, WAIT_S, Editor, Open, every_runtime


class Browser:
    """A browser that was sent to the page's address."""

    def __init__(self, url: str) -> None:
        self.host = urlsplit(url).netloc
        self.token_path = url.partition(self.host)[2]
        self.cookie = ""
        self._version = -1

    def open(self) -> int:
        status, fields, _ = self.ask("GET", self.token_path)
        if status == 303:
            self.cookie = fields["set-cookie"].partition(";")[0]
            assert "HttpOnly" in fields["set-cookie"] and "SameSite=Strict" in fields["set-cookie"]
            assert fields["location"] == "/"
        return status

    def ask(
        self, method: str, path: str, body: Any = None, **fields: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.host, timeout=WAIT_S)
        headers = {"Host": self.host, "Origin": f"http://{self.host}", "Cookie": self.cookie, **fields}
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def state(self, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Returns the first state that fulfils the condition."""
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            status, fields, content = self.ask("GET", f"/state?after={self._version}")
            assert status == 200
            self._version = int(fields["x-version"])
            found: dict[str, Any] = json.loads(content)
            if condition(found):
                return found
        raise AssertionError(found)

    def order(self, **order: Any) -> None:
        assert self.ask("POST", "/order", order)[0] == 204


def ask_about(editor: Editor, project: Path, *, outside: bool = False) -> None:
    source = project.parent / "art.png"
    if outside:
        source.write_bytes((project / NORMAL_MAP).read_bytes())
        editor.order("import", ASSET, str(source), "import", str(source))
    else:
        editor.order("import", ASSET, str(project / NORMAL_MAP), "import", "")
    editor.wait("log", "Show open questions")


def browse(editor: Editor) -> Browser:
    editor.order("press", "ShowQuestions")
    browser = Browser(str(editor.wait("url")[0]))
    assert browser.open() == 303
    return browser


def leaves(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [leaf for item in items for leaf in (leaves(item["children"]) if item.get("children") else [item])]


@every_runtime
def test_what_is_ticked_on_the_page_is_fixed(open_editor: Open, project: Path) -> None:
    editor = open_editor("--browser")
    ask_about(editor, project)
    browser = browse(editor)
    (popup,) = browser.state(lambda each: each["popups"])["popups"]
    assert {row["asset"] for group in popup["items"] for row in group["children"]} == {
        ASSET.partition(".")[0]
    }
    chosen = [leaf["id"] for leaf in leaves(popup["items"]) if leaf.get("checked")]
    assert chosen
    action = next(each for each in popup["actions"] if each.get("style") == "primary")
    browser.order(do="answer", popup=popup["id"], action=action["id"], checked=chosen)
    editor.wait("saved", ASSET)
    assert editor.properties()["compression_settings"] == "TC_NORMALMAP"
    (result,) = browser.state(
        lambda each: [one for one in each["popups"] if one["id"] != popup["id"]] if each["popups"] else None
    )["popups"]
    assert result["replaces"] == popup["id"] and result["actions"]


def _offers(state: dict[str, Any], action: str) -> bool:
    idle = [popup for popup in state["popups"] if not popup.get("working")]
    return any(each["id"] == action for popup in idle for each in popup["actions"])


def test_after_an_undo_the_page_says_so_and_can_check_all(open_editor: Open, project: Path) -> None:
    editor = open_editor("--browser")
    ask_about(editor, project)
    browser = browse(editor)
    for action in ("apply", "undo", "ok"):
        shown = browser.state(lambda each, wanted=action: _offers(each, wanted))
        assert shown["undone"] is (action == "ok")
        browser.order(do="answer", popup=shown["popups"][0]["id"], action=action)
    assert browser.state(lambda each: not each["popups"])["undone"] is True
    assert editor.properties()["srgb"] is True
    # A texture that nobody has reported is found.
    copy = "/Game/Textures/other.other"
    editor.order("import", copy, str(project / NORMAL_MAP), "import", "")
    browser.order(do="check")
    assert browser.state(lambda each: each["popups"])["undone"] is False


@pytest.mark.parametrize("outside", [False, True], ids=["file", "pixels"])
def test_the_page_explains_a_texture_with_pictures(open_editor: Open, project: Path, outside: bool) -> None:
    editor = open_editor("--browser")
    ask_about(editor, project, outside=outside)
    browser = browse(editor)
    (popup,) = browser.state(lambda each: each["popups"])["popups"]
    path = next(row["path"] for row in popup["items"][0]["children"] if row.get("path"))
    browser.order(do="why", path=path)
    reply = browser.state(lambda each: each["replies"])["replies"][path]
    assert reply["lines"] and not reply.get("error")
    # What is wrong stands alone, not among the evidence.
    assert reply["problems"] and all(
        each["severity"] in ("error", "warning", "note") for each in reply["problems"]
    )
    assert not any(line.endswith(each["text"]) for line in reply["lines"] for each in reply["problems"])
    for digest in (reply["before"], reply["after"]):
        status, fields, content = browser.ask("GET", f"/picture/{digest}")
        assert status == 200 and fields["content-type"].startswith("image/") and len(content) > 100
    # A blob that no popup names, even if the daemon has it.
    assert browser.ask("GET", f"/picture/{'0' * 64}")[0] == 404
    browser.order(do="dismiss", popup=popup["id"])
    browser.state(lambda each: not each["popups"])


def test_orders_that_dont_fit_are_ignored(open_editor: Open, project: Path) -> None:
    editor = open_editor("--browser")
    ask_about(editor, project)
    browser = browse(editor)
    (popup,) = browser.state(lambda each: each["popups"])["popups"]
    for order in (
        {"do": "answer", "popup": popup["id"], "action": "other"},
        {"do": "answer", "popup": "1", "action": "fix"},
        {"do": "answer", "popup": popup["id"], "action": popup["actions"][0]["id"], "checked": [1]},
        {"do": "answer", "popup": popup["id"], "action": popup["actions"][0]["id"], "choices": ["other"]},
        {"do": "dismiss", "popup": 99}, {"do": "why", "path": 7}, {"do": "other"}, {},
    ):  # fmt: skip
        browser.order(**order)
    assert browser.ask("POST", "/order", [1])[0] == 400
    editor.order("get", ASSET)
    assert editor.wait("properties")[0]["srgb"] is True
    assert [each["id"] for each in json.loads(browser.ask("GET", "/state")[2])["popups"]] == [popup["id"]]


def test_only_the_browser_that_the_editor_opened_sees_the_page(open_editor: Open) -> None:
    editor = open_editor("--browser")
    browser = browse(editor)
    status, fields, content = browser.ask("GET", "/")
    assert (
        status == 200 and b"page.js" in content and "default-src 'none'" in fields["content-security-policy"]
    )
    other = Browser(f"http://{browser.host}{browser.token_path}")
    # The token works once.
    assert other.open() == 403
    assert {other.ask("GET", path)[0] for path in ("/", "/state", "/page.js", "/picture/0")} == {403}
    assert other.ask("POST", "/order", {"do": "dismiss"})[0] == 403
    for fields in ({"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Cookie": "popbridge=x"}):
        assert browser.ask("GET", "/state", **fields)[0] == 403
    assert browser.ask("POST", "/order", {"do": "dismiss"}, Origin="http://evil.example")[0] == 403
    assert browser.ask("GET", "/../popups.py")[0] == 404


def test_an_unattended_editor_opens_no_page(open_editor: Open, project: Path) -> None:
    editor = open_editor("--browser", "-unattended")
    editor.order("import", ASSET, str(project / NORMAL_MAP), "import", "")
    editor.wait("log")
    assert not [event for event in editor.seen if event[0] in ("url", "dialog", "progress")]


@pytest.mark.parametrize("runtime", ["3.7"], indirect=True)
def test_the_page_ends_with_the_editor(open_editor: Open) -> None:
    editor = open_editor("--browser")
    browser = browse(editor)
    editor.order("end")
    quick, _ = editor.wait("ended")
    assert quick
    with pytest.raises(OSError):
        browser.ask("GET", "/")
