"""A daemon and its editors in one thread: tests decide what is carried, kept and done, step by step."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

from sqlite_utils import Database, Migrations
from uvicorn.protocols.utils import ClientDisconnected

from bridge.api import Action, Advisor, Answer, Context, Event, Popup, SessionView
from bridge.core.errors import StoreError
from bridge.core.settings import resolve
from bridge.host import host
from bridge.host.host import Registry
from bridge.paths import Paths
from bridge.server import app
from bridge.server.restore import restore
from bridge.store import audit_log
from bridge.store.database import connect
from bridge.store.records import PermanentDamage
from bridge.store.store import Store
from bridge.store.transactions import CommitGroups, Done, Task
from tests.server.plugin import Fake

Value = TypeVar("Value")

KEEP_S = 600.0
AFTERMATH = 20
"""Steps of the loop."""


class Inline(ThreadPoolExecutor):
    """Runs at once what is given to a thread: the loop's steps are all that passes."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except BaseException as error:
            done.set_exception(error)
        return done


class SteppedStore(Store):
    """The real tables without threads: what nobody waits for is kept when `flush` is called, or with what
    comes next; in `trouble` nothing is kept."""

    def __init__(self, path: Path, migrations: Migrations, **_: Any) -> None:
        self.path = path
        self._closed = False
        self._db = connect(path, migrations, durable=False)
        self._commits = CommitGroups(self._db, path, durable=False)
        self._left: list[tuple[Callable[[Database], Any], Callable[[], None] | None]] = []
        self._loop = asyncio.get_running_loop()
        self._mended = asyncio.Event()
        self.dawdles: Callable[[], int] = lambda: 0
        """Steps of the loop, drawn for each that waits, until it sees that the trouble is over."""

    def fail(self, trouble: str) -> None:
        """From now on nothing can be kept; all can, where `trouble` is empty."""
        self.flush()
        self._commits.trouble = trouble
        if trouble:
            self._mended.clear()
        else:
            self._mended.set()

    def flush(self) -> None:
        left, self._left = self._left, []
        for work, failed in left:
            try:
                self._commit(work)
            except StoreError:
                if failed:
                    self._loop.call_soon(failed)

    async def write(
        self, work: Callable[[Database], Value], *, synced: bool = True, brief: bool = True
    ) -> Value:
        self.flush()
        # All wait as long, and are done in the order of calls.
        await asyncio.sleep(0)
        return self._commit(work)

    def submit(self, work: Callable[[Database], Any], failed: Callable[[], None] | None = None) -> None:
        if not self._closed:
            self._left.append((work, failed))

    async def read(self, work: Callable[[sqlite3.Connection], Value], **_: Any) -> Value:
        self.flush()
        await asyncio.sleep(0)
        if self._closed:
            raise StoreError("closed")
        return work(self._db.conn)

    async def insist(self, ask: Callable[[], Awaitable[Value]]) -> Value:
        while True:
            try:
                return await ask()
            except StoreError as error:
                if self._closed or isinstance(error, PermanentDamage):
                    raise
            await self._mended.wait()
            for _ in range(self.dawdles()):
                await asyncio.sleep(0)

    def kill(self) -> None:
        """What isn't committed never is."""
        self._closed = True
        self._left.clear()
        self._commits.close()

    def _commit(self, work: Callable[[Database], Value]) -> Value:
        if self._closed or self._commits.trouble:
            raise StoreError(self._commits.trouble or "closed")
        found: list[Any] = []
        done: Done = lambda value, error: found.extend((value, error))  # noqa: E731
        for one, value, error in self._commits.group([Task(work, done, False)]):
            one(value, error)
        if found[1] is not None:
            raise found[1]
        return found[0]  # type: ignore[no-any-return]


class Asker(Advisor):
    """Asks what it is told to, sets something where the answer is yes, and offers to undo that."""

    name = "asker"
    events = ("ask",)

    async def on_event(self, context: Context, session: SessionView, event: Event) -> None:
        more = {"dedupe": event.data["dedupe"]} if "dedupe" in event.data else {}
        await context.popup(session, _popup("ask", **more), {})

    async def on_answer(
        self, context: Context, session: SessionView, popup: Popup, state: Any, answer: Answer
    ) -> None:
        if answer.action != "yes":
            return
        if "undo" in state:
            for receipt in await context.revert([state["undo"]]):
                await context.receipt(receipt)
            return
        changes = [{"path": str(popup.id), "options": {"x": 1}}]
        receipt = await context.command(session, "texture.apply", {"changes": changes}, note="asked")
        if (await context.receipt(receipt))["state"] == "applied":
            await context.popup(session, _popup("done"), {"undo": receipt})


def _popup(kind: str, **more: Any) -> Popup:
    actions = [Action(id="yes", label="Yes"), Action(id="no", label="No")]
    return Popup(id=0, kind=kind, title=kind, body="", actions=actions, **more)


def _registry() -> Registry:
    class Plugin:
        @staticmethod
        @host.hooks.hookimpl
        def popbridge_adapters() -> Any:
            return [Fake()]

        @staticmethod
        @host.hooks.hookimpl
        def popbridge_advisors() -> Any:
            return [Asker()]

    return host.load({"stepped": Plugin}, installed=False)


class Link:
    """A connection: the daemon's frames wait until the editor reads them."""

    def __init__(self, world: World) -> None:
        self.inbox: list[dict[str, Any]] = []
        self.code: int | None = None
        """How the daemon has closed it."""
        self.is_open = True
        self._sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._sent.put_nowait({"type": "websocket.connect"})
        scope = {
            "type": "websocket", "path": "/ws", "raw_path": b"/ws", "root_path": "", "query_string": b"",
            "scheme": "ws", "headers": [(b"host", b"127.0.0.1")], "subprotocols": ["bridge.v1.json"],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
        }  # fmt: skip
        self.task = world.loop.create_task(_serve(world.bridge, scope, self._sent.get, self._take))

    async def _take(self, message: Mapping[str, Any]) -> None:
        if not self.is_open:
            raise ClientDisconnected
        if message["type"] == "websocket.send":
            self.inbox.append(json.loads(message["text"]))
        elif message["type"] == "websocket.close":
            self.code = message["code"]
            self.drop()

    def send(self, kind: str, **fields: Any) -> None:
        if self.is_open:
            text = json.dumps({"type": kind, **fields})
            self._sent.put_nowait({"type": "websocket.receive", "text": text})

    def drop(self) -> None:
        """It breaks: what was on its way to the daemon still arrives."""
        self.is_open = False
        self._sent.put_nowait({"type": "websocket.disconnect", "code": 1006})


async def _serve(bridge: app.Bridge, *connection: Any) -> None:
    await bridge.app(*connection)


class Editor:
    """An editor's side as docs/reference/editor-contract.md wants it; `fails` is what it says of commands."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.link: Link | None = None
        self.fails = False
        self.instance = uuid.uuid4().hex
        self.resume: dict[str, Any] | None = None
        self.last_seq = self.acked = 0
        self.answers: dict[int, dict[str, Any]] = {}
        """Those that the daemon hasn't confirmed."""
        self.replies: dict[int, dict[str, Any]] = {}
        self.screen: dict[int, dict[str, Any]] = {}
        self.codes: list[int | None] = []
        """How its connections ended."""
        self.unshown: set[int] = set()
        """What it has said that it can't show."""
        self.done: list[tuple[int, str]] = []
        """The commands that it carried out."""

    @property
    def connected(self) -> bool:
        return self.link is not None

    def connect(self, world: World) -> None:
        self.link = Link(world)
        more = {"resume": {**self.resume, "last_seq": self.last_seq}} if self.resume else {}
        self.link.send(
            "identify", protocol=1, client={"kind": "editor", "name": self.name, "version": "1"},
            instance=self.instance, auth={"token": world.bridge.authenticator.local_token},
            engine={"name": "fake", "version": "2.1"},
            project={"id": "p", "name": "P", "root": str(world.folder)}, **more,
        )  # fmt: skip

    def drop(self) -> None:
        if self.link is not None:
            self.link.drop()
            self.link = None

    def restart(self) -> None:
        """What is on the screen goes; what lies on the disk stays."""
        self.drop()
        self.screen.clear()
        self.instance = uuid.uuid4().hex

    def read(self, count: int) -> int:
        """Handles so many messages; gives how many there were."""
        link, read = self.link, 0
        while link is not None and link.inbox and read < count:
            self._handle(link, link.inbox.pop(0))
            read += 1
        if link is not None and not link.inbox and not link.is_open:
            self.codes.append(link.code)
            if link.code == 4011:
                self.resume, self.last_seq, self.acked = None, 0, 0
            self.link = None
        return read

    def answer(self, popup_id: int, **said: Any) -> None:
        self.screen.pop(popup_id)
        self.answers[popup_id] = {"id": popup_id, **said}
        if self.link is not None:
            self.link.send("answer", **self.answers[popup_id])

    def ack(self) -> None:
        if self.link is not None and self.last_seq > self.acked:
            self.link.send("ack", seq=self.last_seq)
            self.acked = self.last_seq

    def _handle(self, link: Link, message: dict[str, Any]) -> None:
        match message["type"]:
            case "ready":
                self._ready(link, message)
            case "popup_close":
                self.screen.pop(message["id"], None)
                self.answers.pop(message["id"], None)
            case "command":
                if message["id"] not in self.replies:
                    self.replies[message["id"]] = self._carried_out(message)
                link.send(**self.replies[message["id"]])
            case "popup" if message["seq"] > self.last_seq and message["id"] not in self.answers:
                self.screen[message["id"]] = message
        self.last_seq = max(self.last_seq, message.get("seq", 0))

    def _ready(self, link: Link, ready: Mapping[str, Any]) -> None:
        if ready["resumed"]:
            self.screen = {key: one for key, one in self.screen.items() if key in ready["popups"]}
        else:
            self.screen.clear()
            self.last_seq = self.acked = 0
        self.resume = {"session": ready["session"], "token": ready["resume_token"]}
        for answer in self.answers.values():
            link.send("answer", **answer)

    def _carried_out(self, command: Mapping[str, Any]) -> dict[str, Any]:
        reply = {"id": command["id"]}
        if self.fails:
            return {"kind": "error", **reply, "code": "internal", "message": "on purpose"}
        (change,) = command["args"]["changes"]
        self.done.append((command["id"], change["path"]))
        was = {"path": change["path"], "options": {"x": 1 - change["options"]["x"]}}
        return {"kind": "result", **reply, "value": {"before": [was], "after": [change]}}


class World:
    """A daemon in a folder, that can be killed, and its loop, which runs as far as it is told to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.passed = 0.0
        self.loop = asyncio.new_event_loop()
        self.loop.set_default_executor(Inline())
        self.registry = _registry()
        self.settings = resolve(
            self.registry.settings, {"workers": 1, "cache.max_size": 0, "roots": [str(folder)]}
        )
        self.paths = Paths.find({"POPBRIDGE_HOME": str(folder / "home")})
        self.start()

    @property
    def store(self) -> SteppedStore:
        store = self.bridge.store
        assert isinstance(store, SteppedStore)
        return store

    def start(self) -> None:
        async def begin() -> None:
            with (
                mock.patch.object(app, "Store", SteppedStore),
                mock.patch.object(audit_log, "ThreadPoolExecutor", Inline),
            ):
                self.bridge = bridge = app.Bridge(self.settings, self.paths, self.registry)
                # Nothing here runs in a worker process, which steps of the loop wouldn't start.
                bridge._pool.wake = lambda: None  # type: ignore[method-assign]
            await restore(
                bridge.store, self.registry, bridge.sessions, bridge._commands, bridge.flows, bridge.roots
            )

        self.loop.run_until_complete(begin())

    def kill(self) -> None:
        """As kill -9: no more of it is done, sent or kept."""

        async def end() -> None:
            while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                # What these have begun meanwhile finds the store closed.
                for _ in range(AFTERMATH):
                    await asyncio.sleep(0)

        self.store.kill()
        self.loop.run_until_complete(end())

    def run(self, steps: int) -> None:
        async def steps_() -> None:
            for _ in range(steps):
                await asyncio.sleep(0)

        self.loop.run_until_complete(steps_())

    def later(self, seconds: float = KEEP_S + 1) -> None:
        """The daemon looks at its clock so much later: the keep time of sessions that nobody carries is
        over."""
        self.passed += seconds

        async def look() -> None:
            self.bridge._check(time.monotonic() + self.passed)

        self.loop.run_until_complete(look())

    def rows(self, sql: str) -> list[Any]:
        self.store.flush()
        return self.store._db.conn.execute(sql).fetchall()

    def close(self) -> None:
        self.kill()
        self.loop.close()
