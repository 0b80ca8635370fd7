"""What an advisor meets in tests: an adapter, a project on disk, and a bridge that works right here."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET
from packaging.version import Version

from accel.image.operations.analysis import inspect
from accel.texture.workloads import examine
from accel.workload import Input, Limits, WorkloadError
from bridge.api import (
    Adapter,
    Answer,
    Event,
    Popup,
    PopupItem,
    RequestError,
    RunResult,
    SessionView,
    TextureIntent,
    VersionScheme,
)
from bridge.core import errors
from bridge.core.popup_items import PopupRows, resolve
from bridge.core.revert import remaining_changes, revert_command
from bridge.core.session import is_replaced
from tests.advisors.pictures import Pixels, save

WRONG = {
    "normal_map": False,
    "srgb": True,
    "invert_y": False,
    "mipmaps": False,
    "size_limit": 0,
    "alpha": True,
    "block": False,
}


class FakeEngine(Adapter):
    """An engine with one option for each point of an intent."""

    name = "fake1"
    engine = "fake"
    versions = ">=1"
    scheme = VersionScheme("fake", {})
    texture_fields = frozenset({"kind", "color_space", "normal_convention", "mipmaps", "max_size", "alpha"})

    def compile_texture(
        self, intent: TextureIntent, present: Mapping[str, Any], version: Version
    ) -> dict[str, Any]:
        wanted: dict[str, Any] = {}
        if intent.kind is not None:
            wanted["normal_map"] = intent.kind == "normal"
        if intent.color_space is not None:
            wanted["srgb"] = intent.color_space == "srgb"
        if intent.normal_convention is not None:
            wanted["invert_y"] = intent.normal_convention == "directx"
        if intent.mipmaps is not None:
            wanted["mipmaps"] = intent.mipmaps
        if intent.max_size is not None:
            wanted["size_limit"] = intent.max_size
        if intent.alpha is not None:
            wanted["alpha"] = intent.alpha != "none"
        return {name: value for name, value in wanted.items() if present.get(name) != value}

    def read_texture(self, options: Mapping[str, Any], version: Version) -> TextureIntent:
        return TextureIntent(
            kind="normal" if options["normal_map"] else None,
            color_space="srgb" if options["srgb"] else "linear",
            normal_convention="directx" if options["invert_y"] else "opengl",
            mipmaps=options["mipmaps"],
            max_size=options["size_limit"],
            alpha="transparency" if options["alpha"] else "none",
            compression="block" if options["block"] else "lossless",
        )

    def expressible(self, intent: TextureIntent, version: Version) -> TextureIntent:
        return intent.only(self.texture_fields)


class Bench:
    """A project and the bridge's side of it: a Context, and the editor that it talks to."""

    def __init__(self, root: Path, advisor: Any) -> None:
        self.root = root
        self.advisor = advisor
        self.settings: dict[str, Any] = {"textures.max_size": 4096, "popups.per_hour": 0}
        self.options: dict[str, dict[str, Any]] = {}
        self.view = SessionView("s1", "p1", "Project", root, FakeEngine(), Version("1"), "en")
        self.popups: dict[int, tuple[Popup, Any]] = {}
        """Those that are open."""
        self.shown: list[Popup] = []
        self.delays: list[float] = []
        """The seconds for which each of `shown` is held back."""
        self.progress: list[tuple[int, float, str]] = []
        self.commands: list[tuple[str, Mapping[str, Any]]] = []
        self.receipts: dict[int, dict[str, Any]] = {}
        self.steps: list[int | None] = []
        """The receipts of the commands that the answer has sent so far, None where one was passed over."""
        self.sent: list[int | None] = []
        """Those of an earlier try at the same answer, which are found again."""
        self.reverted: list[list[int]] = []
        self.rule_table: dict[str, list[str]] = {}
        self.stored_marks: set[bytes] = set()
        self.blobs = root.parent / "blobs"
        self.roots: list[Path] = []
        """Registered folders besides the project's."""
        self.notified: list[tuple[str, Mapping[str, Any]]] = []
        """The events for the editor."""
        self.taken: set[str] = set()
        """Paths that another advisor asks about."""
        self.refused: dict[str, str] = {}
        """Paths that the editor can't change, with its reason."""
        self.ran: list[str] = []
        self.asked: list[Mapping[str, Any]] = []
        """The parameters of each run."""
        self.gate = asyncio.Event()
        self.gate.set()
        self.recalling = asyncio.Event()
        self.recalling.set()

    # What a test does.

    def texture(self, file: str, pixels: Pixels, **options: Any) -> str:
        """Puts a texture into the project, imported wrongly in every point save `options`."""
        save(self.root / file, pixels)
        self.options[f"res://{file}"] = {**WRONG, **options}
        return f"res://{file}"

    def asset(self, path: str) -> dict[str, Any]:
        file = path.removeprefix("res://")
        return {"path": path, "file": file, "type": "texture", "options": dict(self.options[path])}

    async def imported(self, *paths: str, more: bool = False) -> None:
        assets = [self.asset(path) for path in paths]
        await self.event({"batch": 1, "more": more, "assets": assets})

    async def event(self, data: dict[str, Any]) -> None:
        await self.advisor.on_event(self, self.view, Event(name="asset.imported", data=data))

    async def answer(
        self,
        action: str | None,
        state: str = "answered",
        *,
        checked: Sequence[str] | None = None,
        choices: Sequence[str] | None = None,
    ) -> None:
        """Answers the newest open popup, by default with its initial ticks."""
        popup_id = max(self.popups)
        popup, kept = self.popups.pop(popup_id)
        answer = Answer(
            id=popup_id,
            state=state,  # type: ignore[arg-type]
            action=action or UNSET,
            checked=UNSET if checked is None else list(checked),
            choices=UNSET if choices is None else list(choices),
        )
        if state == "answered":
            answer = resolve(popup, popup.items, answer)
        self.steps, self.sent = [], []
        await self.advisor.on_answer(self, self.view, popup, kept, answer)

    async def answer_once_more(self, advisor: Any, popup: Popup, kept: Any, action: str) -> None:
        """The answer is acted on by another daemon, as the one before was killed in the middle."""
        self.advisor, self.steps, self.sent = advisor, [], self.steps
        answer = resolve(popup, popup.items, Answer(id=popup.id, state="answered", action=action))
        await advisor.on_answer(self, self.view, popup, kept, answer)

    @property
    def asking(self) -> Popup:
        """The one popup that is open."""
        assert len(self.popups) == 1, self.popups
        return next(iter(self.popups.values()))[0]

    # The Context.

    async def run(
        self,
        workload: str,
        params: Mapping[str, Any],
        paths: Sequence[Path | bytes | str],
        *,
        names: Sequence[str] = (),
        priority: str = "interactive",
    ) -> RunResult:
        self.ran.append(names[0])
        self.asked.append(params)
        await self.gate.wait()
        found = {"texture.examine": examine, "image.inspect": inspect}.get(workload)
        if found is None:
            raise RequestError(errors.UNKNOWN_WORKLOAD, workload=workload)
        record = found.workload
        inputs = [Input(name, self._path(path)) for name, path in zip(names, paths, strict=True)]
        try:
            output = record.load()(inputs, record.parse(dict(params)), Limits())
        except WorkloadError as error:
            raise RequestError(errors.BAD_INPUT, name=names[0], reason=error.reason) from None
        blobs = {file.name: hashlib.sha256(file.data).hexdigest() for file in output.files}
        return RunResult(msgspec.to_builtins(output.value), blobs)

    def _path(self, source: Path | bytes | str) -> str:
        if isinstance(source, Path):
            return str(source)
        name = source if isinstance(source, str) else self.upload(source)
        if not (self.blobs / name).is_file():
            raise RequestError(errors.NOT_FOUND, name=f"Blob {name}")
        return str(self.blobs / name)

    def upload(self, data: bytes) -> str:
        """Stores a blob, as an editor uploads it; returns its SHA-256."""
        name = hashlib.sha256(data).hexdigest()
        self.blobs.mkdir(exist_ok=True)
        (self.blobs / name).write_bytes(data)
        return name

    async def may_read(self, session: SessionView, file: Path) -> bool:
        return any(file.is_relative_to(root) for root in self.roots)

    async def notify(self, session: SessionView, name: str, data: Mapping[str, Any]) -> None:
        self.notified.append((name, data))

    async def claimed(self, session: SessionView, paths: Collection[str]) -> Set[str]:
        return self.taken & set(paths)

    async def popup(
        self,
        session: SessionView,
        popup: Popup,
        state: Any,
        *,
        textures: Collection[str] | None = None,
        delay_s: float = 0.0,
    ) -> int:
        popup_id = len(self.shown) + 1
        popup = msgspec.structs.replace(popup, id=popup_id)
        # Each popup is one that the wire can carry.
        PopupRows(msgspec.json.decode(msgspec.json.encode(popup.items), type=list[PopupItem]))
        for key in [key for key, (old, _) in self.popups.items() if is_replaced(old, popup)]:
            del self.popups[key]
        self.delays.append(delay_s)
        # As the store keeps it: what can't be packed would be lost.
        self.popups[popup_id] = (popup, msgspec.msgpack.decode(msgspec.msgpack.encode(state)))
        self.shown.append(popup)
        return popup_id

    async def popup_progress(
        self, session: SessionView, popup_id: int, fraction: float, message: str = ""
    ) -> None:
        self.progress.append((popup_id, fraction, message))

    async def open_popups(self, session: SessionView) -> Sequence[tuple[Popup, Any]]:
        await self.recalling.wait()
        return list(self.popups.values())

    async def close_popup(self, session: SessionView, popup_id: int) -> None:
        self.popups.pop(popup_id, None)

    async def command(self, session: SessionView, name: str, args: Mapping[str, Any], *, note: str) -> int:
        if (earlier := self._earlier()) is not None:
            return earlier
        self.commands.append((name, args))
        self.steps[-1] = self._carried_out(args)
        return self.steps[-1]

    def _carried_out(self, args: Mapping[str, Any]) -> int:
        before, after, problems = [], [], []
        for change in args["changes"]:
            path, options = change["path"], change["options"]
            if path in self.refused:
                problems.append({"path": path, "message": self.refused[path]})
                continue
            options, left = remaining_changes(options, change.get("expected", {}), self.options[path])
            problems += [{"path": path, "message": message} for message in left]
            if left and not options:
                continue
            before.append({"path": path, "options": {name: self.options[path].get(name) for name in options}})
            self.options[path].update(options)
            after.append({"path": path, "options": dict(options)})
        receipt = {"before": before, "after": after, "errors": problems or None}
        state = "applied" if after or not problems else "failed"
        self.receipts[len(self.receipts) + 1] = {**receipt, "state": state}
        return len(self.receipts)

    async def previous_command(self) -> int | None:
        return self._earlier()

    def _earlier(self) -> int | None:
        self.steps.append(self.sent[len(self.steps)] if len(self.steps) < len(self.sent) else None)
        return self.steps[-1]

    async def receipt(self, receipt_id: int) -> Mapping[str, Any]:
        return self.receipts[receipt_id]

    async def revert(self, receipt_ids: Sequence[int]) -> Sequence[int]:
        self.reverted.append(list(receipt_ids))
        found = [self.receipts[receipt_id] for receipt_id in reversed(receipt_ids)]
        back = [revert_command(receipt["before"], receipt["after"]) for receipt in found]
        return [self._carried_out({"changes": changes}) for changes in back]

    def outside_answer(self) -> Bench:
        return self

    async def note(self, session: SessionView, marks: Collection[bytes]) -> None:
        self.stored_marks |= set(marks)

    async def marks(self, session: SessionView) -> Set[bytes]:
        return set(self.stored_marks)

    async def rules(self, session: SessionView) -> Mapping[str, Sequence[str]]:
        return self.rule_table

    async def add_rule(self, session: SessionView, folder: str, finding: str) -> None:
        self.rule_table.setdefault(folder, []).append(finding)

    async def remove_rules(self, session: SessionView, rules: Mapping[str, Sequence[str]]) -> None:
        for folder, codes in rules.items():
            self.rule_table[folder] = [code for code in self.rule_table[folder] if code not in codes]
