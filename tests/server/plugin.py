"""A plugin for tests: workloads that misbehave, an adapter for no engine, an advisor that obeys."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from bridge.api import (
    Action,
    Adapter,
    Advisor,
    Answer,
    Choice,
    Context,
    Event,
    Input,
    Limits,
    Output,
    OutputFile,
    Params,
    Popup,
    PopupItem,
    RequestError,
    RunResult,
    SessionView,
    TextureAsset,
    TextureIntent,
    VersionScheme,
    WorkloadError,
    hookimpl,
    progress,
    workload,
)
from bridge.core import errors


class Nothing(Params, frozen=True):
    """No parameters."""


class Sleep(Params, frozen=True):
    seconds: float = 0.0


class Size(Params, frozen=True):
    bytes: int = 0


class Note(Params, frozen=True):
    log: str
    hold: str = ""
    number: float = 0


@workload("test.note", version=1, params=Note, inputs=(0, 4096))
def note(inputs: Sequence[Input], params: Note, limits: Limits) -> Output:
    """Gives what is in its inputs; each run leaves a line in a file and ends when another file is gone."""
    with Path(params.log).open("a") as file:
        print(params.number, *(one.name for one in inputs), file=file)
    while params.hold and Path(params.hold).exists():
        time.sleep(0.005)
    found = [Path(one.path).read_bytes() for one in inputs]
    if b"fail" in found:
        raise WorkloadError("bad_input", "says fail", inputs[0].name)
    return Output(
        {"read": found, "number": params.number}, [OutputFile("copy.bin", "x/y", b"".join(found) + b"!")]
    )


@workload("test.moment", version=1, params=Note, inputs=(0, 64), cached=False)
def moment(inputs: Sequence[Input], params: Note, limits: Limits) -> Output:
    """The same, of which nothing is kept."""
    return note(inputs, params, limits)


@workload("test.sleep", version=1, params=Sleep, inputs=(0, 1), cached=False)
def sleep(inputs: Sequence[Input], params: Sleep, limits: Limits) -> Output:
    """Takes its time."""
    time.sleep(params.seconds)
    return Output("awake")


@workload("test.decide", version=1, params=Nothing, inputs=0, inline=True, right="change")
def decide(inputs: Sequence[Input], params: Nothing, limits: Limits) -> Output:
    """Needs another right than most."""
    return Output("decided")


@workload("test.burn", version=1, params=Sleep, inputs=0, cached=False)
def burn(inputs: Sequence[Input], params: Sleep, limits: Limits) -> Output:
    """Takes all of a core for its time."""
    end = time.perf_counter() + params.seconds
    while time.perf_counter() < end:
        pass
    return Output("burnt")


class Steps(Params, frozen=True):
    count: int = 0
    path: str = ""
    hold: str = ""


@workload("test.steps", version=1, params=Steps, inputs=0)
def steps(inputs: Sequence[Input], params: Steps, limits: Limits) -> Output:
    """Reports its steps of 20 ms; leaves a file where it learns that it was cancelled."""
    try:
        for done in range(params.count):
            progress(done, params.count, "stepping")
            time.sleep(0.02)
        while params.hold and Path(params.hold).exists():
            progress(1, 1, "held")
            time.sleep(0.02)
    except WorkloadError as error:
        Path(params.path).write_text(error.code)
        raise
    return Output(os.getpid())


@workload("test.crash", version=1, params=Nothing)
def crash(inputs: Sequence[Input], params: Nothing, limits: Limits) -> Output:
    """Ends its worker."""
    os._exit(3)


class Log(Params, frozen=True):
    path: str
    line: str = ""
    seconds: float = 0.0


@workload("test.log", version=1, params=Log, inputs=(0, 1))
def log(inputs: Sequence[Input], params: Log, limits: Limits) -> Output:
    """Takes its time, then leaves a trace."""
    time.sleep(params.seconds)
    with Path(params.path).open("a") as file:
        print(params.line, os.getpid(), file=file)
    return Output(params.line)


class Odd(Params, frozen=True):
    exits: bool = False

    def __post_init__(self) -> None:
        raise (SystemExit if self.exits else ZeroDivisionError)("a detail of the inside")


@workload("test.odd", version=1, params=Odd, inputs=0)
def odd(inputs: Sequence[Input], params: Odd, limits: Limits) -> Output:
    """Has parameters with a bug."""
    return Output("unreachable")


class Once(Params, frozen=True):
    path: str
    times: int = 1
    parent: bool = False
    then_s: float = 0


@workload("test.dies", version=1, params=Once, inputs=0)
def dies(inputs: Sequence[Input], params: Once, limits: Limits) -> Output:
    """Kills its worker, or the daemon, as often as there are lines to be written to a file."""
    with Path(params.path).open("a+") as file:
        file.seek(0)
        lives = len(file.readlines())
        if lives >= params.times:
            time.sleep(params.then_s)
            return Output(lives)
        print("died", file=file)
    # On Windows, any signal ends a process at once.
    kill = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL
    os.kill(os.getppid() if params.parent else os.getpid(), kill)
    time.sleep(60)
    return Output("unreachable")


@workload("test.fail", version=1, params=Nothing, inputs=(0, 1))
def fail(inputs: Sequence[Input], params: Nothing, limits: Limits) -> Output:
    """Has a bug."""
    raise ZeroDivisionError("a detail of the inside")


@workload("test.refuse", version=1, params=Nothing, inputs=1)
def refuse(inputs: Sequence[Input], params: Nothing, limits: Limits) -> Output:
    """Finds its input bad."""
    raise WorkloadError("bad_input", "is no picture", inputs[0].name)


@workload("test.read", version=1, params=Nothing, inputs=(1, 64))
def read(inputs: Sequence[Input], params: Nothing, limits: Limits) -> Output:
    """Gives what is in its inputs."""
    return Output([Path(one.path).read_bytes() for one in inputs])


class Touch(Params, frozen=True):
    path: str


@workload("test.touch", version=1, params=Touch, inputs=(0, 1), cached=False)
def touch(inputs: Sequence[Input], params: Touch, limits: Limits) -> Output:
    """Leaves a file, by which a test sees that it ran."""
    Path(params.path).touch()
    return Output("touched")


class Made(Size, frozen=True):
    name: str = "made.bin"


@workload("test.make", version=1, params=Made, inputs=(0, 1))
def make(inputs: Sequence[Input], params: Made, limits: Limits) -> Output:
    """Gives a value and a file of a size."""
    return Output("x" * params.bytes, [OutputFile(params.name, "application/octet-stream", b"y" * 10)])


@workload("test.inline", version=1, params=Size, inputs=(0, 1), inline=True)
def inline(inputs: Sequence[Input], params: Size, limits: Limits) -> Output:
    """Runs in the daemon."""
    if params.bytes < 0:
        raise {-1: ZeroDivisionError, -2: SystemExit}[params.bytes]("a detail of the inside")
    seen = [Path(one.path).read_bytes() for one in inputs]
    return Output(
        {"seen": seen, "pixels": limits.max_pixels}, [OutputFile("in.bin", "x/y", b"z" * params.bytes)]
    )


class FakeProjects:
    """Projects whose import settings lie beside each texture, as JSON."""

    def project_version(self, project: Path) -> str | None:
        return None

    def textures(self, project: Path) -> Iterator[TextureAsset]:
        return iter(())

    def texture(self, project: Path, file: str) -> TextureAsset | None:
        settings = project / f"{file}.json"
        if not settings.exists():
            return None
        return TextureAsset(f"watch://{file}", file, json.loads(settings.read_text()))

    def uses(self, project: Path) -> Mapping[str, Sequence[Any]]:
        return {}

    def apply(self, project: Path, changes: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        return {}


class Fake(Adapter):
    """Serves an engine that nobody has."""

    project = FakeProjects()

    name = "fake2"
    engine = "fake"
    versions = ">=2,<3"
    scheme = VersionScheme(engine="fake", stages={"": "", "beta": "b"})

    def compile_texture(
        self, intent: TextureIntent, present: Mapping[str, Any], version: Any
    ) -> dict[str, Any]:
        return {}

    def read_texture(self, options: Mapping[str, Any], version: Any) -> TextureIntent:
        return TextureIntent()

    def expressible(self, intent: TextureIntent, version: Any) -> TextureIntent:
        return TextureIntent()


RAISES = {
    "exit": SystemExit,
    "bug": ZeroDivisionError,
    "cancel": asyncio.CancelledError,
    "keys": KeyboardInterrupt,
}


class Obedient(Advisor):
    """Does what events and answers tell it to."""

    name = "obedient"
    events = ("test.popup", "test.command", "test.raise", "test.run", "test.hang", "change.reverted")
    asks = ("test.ask", "test.decree")
    rights: ClassVar[Mapping[str, str]] = {"test.decree": "change"}
    reverted: ClassVar[list[Mapping[str, Any]]] = []
    """The data of the events after reverts."""

    async def on_event(self, context: Context, session: SessionView, event: Event) -> None:
        data = event.data
        match event.name:
            case "test.popup":
                for number in range(data.get("count", 1)):
                    shown = _popup(data, number)
                    await context.popup(session, shown, data.get("state"), delay_s=data.get("delay_s", 0.0))
            case "test.command":
                receipt = await context.command(
                    session, "texture.apply", data["args"], note=data.get("note", "n")
                )
                if data.get("wait"):
                    found = await context.receipt(receipt)
                    await context.popup(session, _popup({"body": found["state"]}, 0), None)
            case "test.run":
                done = await context.run("test.read", {}, [Path(data["path"])])
                await context.popup(session, _popup({"body": repr(done.value)}, 0), None)
            case "change.reverted":
                self.reverted.append(data)
            case "test.hang":
                await asyncio.Event().wait()
            case _:
                raise RAISES[data["what"]]("on purpose")

    async def on_answer(
        self, context: Context, session: SessionView, popup: Popup, state: Any, answer: Answer
    ) -> None:
        state = state or {}
        if log := state.get("log"):
            with Path(log).open("a") as file:
                print(answer.state, answer.action or "-", state.get("tag", "-"), file=file)
        if ticks := state.get("ticks"):
            Path(ticks).write_text(json.dumps([answer.checked or [], answer.choices or []]))
        if progress := state.get("progress"):
            await context.popup_progress(session, popup.id, progress, "at work")
        if what := state.get("raise"):
            raise RAISES[what]("on purpose")
        if hold := state.get("hold"):
            await context.run("test.moment", {"log": hold + ".log", "hold": hold}, [])
        made = []
        for n in range(state.get("commands", 0)):
            if n in state.get("passes", ()) and Path(state["passing"]).exists():
                earlier = await context.previous_command()
                made += [] if earlier is None else [earlier]
            else:
                made.append(
                    await context.command(session, "texture.apply", {"changes": [n]}, note=f"step {n}")
                )
        for receipt in made:
            await context.receipt(receipt)
        if undo := state.get("undo"):
            await context.revert(undo)
        if state.get("revert"):
            await context.revert(made)
        if again := state.get("again"):
            await context.popup(session, _popup({"title": again}, 0), None)
        if close := state.get("close"):
            await context.close_popup(session, close)

    async def on_ask(
        self, context: Context, session: SessionView, name: str, params: Mapping[str, Any]
    ) -> Any:
        match params.get("do"):
            case "raise":
                raise RAISES[params["what"]]("on purpose")
            case "refuse":
                raise RequestError(errors.FORBIDDEN, name="asking", reason="not today")
            case "odd":
                return object()
            case "sleep":
                await asyncio.sleep(params["seconds"])
            case "stubborn":
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    return "late"
            case "command":
                return await context.command(session, "texture.apply", {"changes": []}, note="n")
            case "run":
                done = await context.run(params.get("workload", "test.sleep"), params.get("params", {}), [])
                return list(done.blobs)
            case "files":
                done = await context.run(params["workload"], params.get("params", {}), [])
                return RunResult("made", {"mine": next(iter(done.blobs.values())), "gone": "0" * 64})
            case "change":
                done = await context.run("test.note", params["params"], [Path(params["path"])])
                done.value["read"].append(params["mine"])
                return done.value["read"]
            case "rule":
                await context.add_rule(session, "textures", "test.flat")
                await context.add_rule(session, "textures", "test.flat")
                kept = dict(await context.rules(session))
                await context.remove_rules(session, {"textures": ["test.flat"]})
                return [kept, dict(await context.rules(session))]
            case "note":
                await context.note(session, (mark.encode() for mark in params["marks"]))  # type: ignore[arg-type]
                return sorted(mark.decode() for mark in await context.marks(session))
            case "close":
                await context.close_popup(session, params["popup"])
            case "open":
                return [[popup.id, state] for popup, state in await context.open_popups(session)]
        return {"project": session.project, "root": str(session.root), "locale": session.locale}


class Watcher(Advisor):
    """Asks about all textures in the folder of its name, and in `both`, and sets one option."""

    events = ("asset.imported",)

    def __init__(self, name: str) -> None:
        self.name = name

    async def on_event(self, context: Context, session: SessionView, event: Event) -> None:
        files = [asset["file"] for asset in event.data["assets"]]
        paths = [f"watch://{file}" for file in files if file.startswith(("both/", f"{self.name}/"))]
        if paths:
            options = [asset["options"] for asset in event.data["assets"]]
            popup = _popup({"title": self.name, "body": repr(options)}, 0)
            await context.popup(session, popup, paths)

    async def on_answer(
        self, context: Context, session: SessionView, popup: Popup, state: Any, answer: Answer
    ) -> None:
        if answer.action == "yes":
            changes = [{"path": path, "options": {"mode": 2}} for path in state]
            sent = await context.command(session, "texture.apply", {"changes": changes}, note="watched")
            await context.receipt(sent)


def _popup(data: Mapping[str, Any], number: int) -> Popup:
    return Popup(
        id=0,
        kind="test",
        title=data.get("title", f"popup {number}"),
        body=data.get("body", "body"),
        actions=[
            Action(id="yes", label="Yes", choices=msgspec.convert(data.get("choices", []), list[Choice])),
            Action(id="no", label="No"),
        ],
        items=[*msgspec.convert(data.get("items", []), list[PopupItem]), *_rows(data.get("rows", 0))],
        menu=msgspec.convert(data.get("menu", []), list[Action]),
        **{name: data[name] for name in ("dedupe", "expires_ms", "replaces") if name in data},
    )


def _rows(count: int) -> list[PopupItem]:
    """Returns a group of `count` textures with one change each."""
    textures = [
        PopupItem(
            id=f"1.{number}",
            title=f"{number}.png",
            path=f"textures/{number}.png",
            children=[PopupItem(id=f"1.{number}.1", title="Mode: Lossless → VRAM Compressed", checked=True)],
        )
        for number in range(count)
    ]
    return [PopupItem(id="1", title="not compressed", children=textures)] if textures else []


@hookimpl
def popbridge_adapters() -> Sequence[Adapter]:
    return [Fake()]


@hookimpl
def popbridge_workloads() -> Sequence[Any]:
    return [
        f.workload
        for f in (
            sleep,
            decide,
            steps,
            note,
            moment,
            burn,
            crash,
            fail,
            refuse,
            read,
            touch,
            make,
            inline,
            log,
            odd,
            dies,
        )
    ]


@hookimpl
def popbridge_advisors() -> Sequence[Advisor]:
    return [Obedient(), Watcher("first"), Watcher("second")]
