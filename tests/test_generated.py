"""Documents and SDKs can't drift: what is generated is fresh, and what the documents show works."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import msgpack
import pytest

from bridge.commands.options import read_settings
from bridge.core import codec
from bridge.core.messages import (
    SUBPROTOCOL_JSON,
    SUBPROTOCOL_MSGPACK,
    Answer,
    Command,
    Identify,
    Popup,
    PopupClose,
    Resume,
)
from bridge.core.session import Session
from bridge.core.settings import SETTINGS
from tools import generate

DOCS = generate.ROOT / "docs"


def test_every_generated_file_is_fresh() -> None:
    done = subprocess.run(
        [sys.executable, "tools/generate.py", "--check"], cwd=generate.ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_a_stale_file_is_named_until_it_is_written(tmp_path: Path) -> None:
    files = {Path("docs/a.md"): "a\n", Path("b.md"): "b\n"}
    assert generate.write(files, tmp_path) == [Path("b.md"), Path("docs/a.md")]
    assert generate.stale(files, tmp_path) == []
    (tmp_path / "b.md").write_text("edited\n")
    assert generate.stale(files, tmp_path) == [Path("b.md")]
    assert generate.write(files, tmp_path) == [Path("b.md")]


def test_the_check_fails_and_names_what_is_stale(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "generated", lambda: {Path("docs/never-written.md"): "text"})
    assert generate.main(["--check"]) == 1
    assert "docs/never-written.md" in capsys.readouterr().err


def frames_of_the_example() -> list[tuple[str, str, bytes]]:
    """Sender, text frame and binary frame of each message in the worked example."""
    text = (
        (DOCS / "reference" / "protocol.md").read_text(encoding="utf-8").partition("## A whole exchange")[2]
    )
    found = re.findall(r"(\w+) sends:\n\n```json\n(.*?)\n```\n\n```text\n(.*?)\n```", text, re.DOTALL)
    return [
        (sender, as_json, bytes.fromhex("".join(row[:47] for row in dump.split("\n"))))
        for sender, as_json, dump in found
    ]


def test_the_worked_example_can_be_read_byte_by_byte() -> None:
    example = frames_of_the_example()
    assert [json.loads(text)["type"] for _, text, _ in example] == [
        "hello", "identify", "ready", "event", "popup", "ack", "answer", "popup_close", "command", "result",
        "ack", "hello", "identify", "ready", "popup", "ack",
    ]  # fmt: skip
    for sender, text, packed in example:
        reader = codec.client_codec if sender == "Server" else codec.server_codec
        assert reader(SUBPROTOCOL_JSON).decode(text) == reader(SUBPROTOCOL_MSGPACK).decode(packed)
        assert msgpack.unpackb(packed) == json.loads(text)


def test_a_session_would_send_the_messages_of_the_worked_example() -> None:
    session = Session("s1", 0.0)
    session.attach()
    for sender, text, _ in frames_of_the_example():
        message = (codec.client_codec if sender == "Server" else codec.server_codec)(SUBPROTOCOL_JSON).decode(
            text
        )
        if isinstance(message, Identify) and isinstance(message.resume, Resume):
            session.detach(1.0)
            assert session.attach(message.resume.last_seq) == ()
        elif sender == "Client" and not isinstance(message, Identify):
            closing = session.receive(message)
            assert isinstance(message, Answer) <= (closing == PopupClose(id=7, reason="answered"))
        elif isinstance(message, (Popup, Command)):
            assert session.number(message).seq == message.seq
            if isinstance(message, Popup):
                session.popups.open(message, 0.0)
    assert session.unacknowledged == 0


def test_no_field_is_left_without_a_meaning() -> None:
    empty = [
        f"{page.name}: {row}"
        for page in (DOCS / "reference").rglob("*.md")
        for row in page.read_text(encoding="utf-8").splitlines()
        if row.endswith("|  |") and page.name not in ("errors.md", "commands.md")
    ]
    assert empty == []


def test_each_workload_leads_to_the_types_of_its_value() -> None:
    pages = {
        page.stem: page.read_text(encoding="utf-8") for page in (DOCS / "reference/workloads").glob("*.md")
    }
    assert [
        name for name, text in pages.items() if re.search(r"Value:\s+(?:an?|a list of)\s+`\w+`", text)
    ] == []
    assert "### Atlas" in pages["image.atlas"] and "[`Written`](results.md#written)" in pages["image.resize"]
    assert "| `trim_alpha` | float, at least 0, less than 1 |" in pages["image.atlas"]


def test_a_parameter_is_explained_once() -> None:
    pages = {
        page.stem: page.read_text(encoding="utf-8") for page in (DOCS / "reference/workloads").glob("*.md")
    }
    assert [name for name, text in pages.items() if "| `lossless` |" in text] == ["index"]
    assert "(`format`, `quality`, `bits`, `lossless`)" in pages["image.resize"]
    # image.thumbnail has a `format` of its own.
    assert "| `format` |" in pages["image.thumbnail"]


def test_the_settings_file_in_the_documents_can_be_read(tmp_path: Path) -> None:
    text = (DOCS / "reference" / "settings.md").read_text(encoding="utf-8")
    (tmp_path / "settings.toml").write_text(re.findall(r"```toml\n(.*?)```", text, re.DOTALL)[0])
    read = read_settings(SETTINGS, tmp_path / "settings.toml", {})
    assert {name for name, source in read.sources.items() if source == "the settings file"} == {
        "port", "allowed_hosts", "blobs.max_size", "textures.max_size",
    }  # fmt: skip


def test_links_between_the_documents_lead_somewhere() -> None:
    missing = []
    for page in (*DOCS.rglob("*.md"), *generate.ROOT.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for target, _, anchor in (link.partition("#") for link in re.findall(r"\]\(([^)\s]+)\)", text)):
            if target.startswith("http"):
                continue
            found = (page.parent / target) if target else page
            if not found.exists() or (anchor and anchor not in anchors(found)):
                missing.append(f"{page.name}: {target}#{anchor}")
    assert missing == []


def anchors(page: Path) -> set[str]:
    """As GitHub makes them from headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
