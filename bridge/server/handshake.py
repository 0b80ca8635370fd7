"""Hello, identify, ready; addon version notice."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace
from packaging.version import InvalidVersion, Version

from accel.text import AnyText, clauses, sentences, text
from bridge import __version__
from bridge.api import Adapter, Addon
from bridge.core import auth, errors
from bridge.core.codec import SUBPROTOCOLS
from bridge.core.errors import RemoteProtocolError, UserError
from bridge.core.messages import (
    MAX_FRAME,
    PROTOCOL,
    AdapterInfo,
    AuthOffer,
    EngineInfo,
    Hello,
    Identify,
    Limits,
    Ready,
    Result,
    ServerInfo,
    WorkloadInfo,
)
from bridge.core.revert import OLD_ADDON, OLD_EDITOR
from bridge.core.settings import Settings
from bridge.core.versions import Choice
from bridge.host.host import Registry
from bridge.locale import translate
from bridge.paths import quoted
from bridge.server.live_session import LiveSession, mates
from bridge.server.sessions import Sessions, not_known

if TYPE_CHECKING:
    from bridge.server.websocket import AsgiSocket


# What is installed is looked at once: a daemon that has been upgraded since knows its former addon alone.


def other_addon(identify: Identify, adapter: Adapter) -> AnyText:
    """What to do where the editor has another addon than `adapter` installs; empty where it has that."""
    addon, client = _addon(adapter), identify.client
    if addon is None or client.name != addon.name or client.version == addon.version:
        return ""
    theirs, ours = _release(client.version), _release(addon.version)
    if _is_newer(theirs, ours):
        return text(
            "The PopBridge addon in this project is that of PopBridge {theirs}, and PopBridge "
            "{ours} is running: update PopBridge, or restart it if you have.",
            theirs=theirs,
            ours=ours,
        )
    return text(
        "The PopBridge addon in this project isn't the one of PopBridge {ours}: run "
        "`{install}`, then open the project anew. If you have done that, restart PopBridge.",
        ours=ours,
        install=_install(identify, adapter),
    )


def too_old(identify: Identify, adapter: Adapter | None) -> AnyText:
    """Why an editor that doesn't know the command put nothing back, and what to do; empty where its addon is
    the one that is installed, which isn't too old for anything."""
    addon, client = _addon(adapter) if adapter else None, identify.client
    if adapter is None or addon is None or client.name != addon.name:
        return OLD_EDITOR
    return "" if client.version == addon.version else OLD_ADDON.fill(install=_install(identify, adapter))


def _install(identify: Identify, adapter: Adapter) -> str:
    """What to type for the addon."""
    root = identify.project.root if identify.project else None
    return f"popbridge install {adapter.engine} {quoted(Path(root)) if root else 'PROJECT'}"


def _addon(adapter: Adapter) -> Addon | None:
    """None, too, for what is no addon: an adapter is a plugin, and its trouble keeps no editor out."""
    try:
        addon = adapter.addon
        # Of instances of its own types msgspec looks at no field.
        return None if addon is None else msgspec.convert(msgspec.structs.asdict(addon), Addon)
    # Whatever a plugin's property raises.
    except (Exception, SystemExit) as error:
        log.warning("%s can't tell which addon it installs: %r", adapter.name, error)
        return None


def _release(version: str) -> str:
    return version.partition("+")[0]


def _is_newer(theirs: str, ours: str) -> bool:
    try:
        return Version(theirs) > Version(ours)
    except InvalidVersion:
        return False


log = logging.getLogger(__name__)

FEATURES = frozenset({"blobs", "popups", "resume"})


NO_ROOT = text("Advice on imports is off: it needs `project.root`, from an editor on this machine.")


NOT_KEPT = text("Nothing outlives a restart of PopBridge now: {reason}.")


class Handshake:
    """What the door knows: the token, the limits, the adapters and the sessions."""

    def __init__(
        self,
        token: str,
        instance: str,
        settings: Settings,
        registry: Registry,
        sessions: Sessions,
        arrived: Callable[[LiveSession, bool, Collection[int]], Awaitable[None]],
        use: Callable[[Result], object],
    ) -> None:
        """`arrived` is told who has connected, whether as another process than before, and which popups of
        others it was told to be open; `use` has the files of an answer stay a while: its client was away, and
        fetches them now."""
        self.token = token
        self.max_frame = MAX_FRAME
        self.features = FEATURES
        self._instance = instance
        self._settings = settings
        self._registry = registry
        self._sessions = sessions
        self._arrived = arrived
        self._use = use
        self._workloads = [
            WorkloadInfo(name=w.name, version=w.version, summary=w.summary)
            for w in registry.workloads.values()
        ]

    def refuse(self, scope: MutableMapping[str, Any]) -> tuple[int, str] | None:
        """HTTP status and reason where the handshake is refused."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if not auth.host_allowed(headers.get("host", ""), self.hosts):
            return (
                403,
                "This Host isn't served here: use 127.0.0.1, or add the name to the setting `allowed_hosts`.",
            )
        if not auth.origin_allowed(headers.get("origin")):
            return 403, "Web pages may not connect."
        if not set(scope["subprotocols"]) & set(SUBPROTOCOLS):
            return 400, f"Ask for one of the subprotocols {', '.join(SUBPROTOCOLS)}."
        return None

    @property
    def hosts(self) -> Collection[str]:
        hosts: Collection[str] = self._settings["allowed_hosts"]
        return hosts

    def hello(self, nonce: str) -> Hello:
        """The first message."""
        return Hello(
            protocol=PROTOCOL,
            features=sorted(self.features),
            server=ServerInfo(name="popbridge", version=__version__, instance=self._instance),
            limits=Limits(
                frame=self.max_frame,
                inline=self._settings["inline"],
                inflight=self._settings["session.inflight"],
            ),
            heartbeat_s=self._settings["heartbeat_s"],
            auth=AuthOffer(methods=["token", "proof"], nonce=nonce),
        )

    async def admit(
        self, identify: Identify, socket: AsgiSocket, scope: MutableMapping[str, Any]
    ) -> LiveSession:
        """A session for an authenticated client: `ready`, then what it hasn't handled, in order."""
        identify = _with_local_root(identify, scope)
        choice, notice = self._adapter(identify.engine or None)
        if choice is not None:
            notice = sentences([notice, other_addon(identify, choice.adapter)])
            if not (identify.project and identify.project.root):
                notice = sentences([notice, NO_ROOT])
        restarted = False
        if identify.resume:
            live, token, restarted = self._sessions.resume(identify, choice)
        else:
            live, token, problem = await self._sessions.open(identify, choice)
            if problem is not None:
                log.error("session %s isn't kept: %s", live.id, problem.reason)
                notice = sentences([notice, NOT_KEPT.fill(reason=problem.reason)])
        last_seq = identify.resume.last_seq if identify.resume else 0
        try:
            await live.take_over()
            async with live.sending, socket.lock:
                waiting = await live.attach(socket, last_seq)
                if live.ended:
                    # Its time was over while it waited here: nothing would reach it any more.
                    raise not_known(live.id)
                live.acknowledged(last_seq)
                others = _of_mates(live, self._sessions)
                said = translate(notice, identify.locale or "")
                await socket.write(self._ready(live, token, said, others, resumed=bool(identify.resume)))
                for message in waiting:
                    if isinstance(message, Result):
                        self._use(message)
                    await socket.write(message)
                for closing in live.closings():
                    await socket.write(closing)
            await self._arrived(live, restarted, others if identify.resume else ())
            if identify.resume:
                self._sessions.arrived(live, identify)
        except BaseException:
            live.detach(socket)
            raise
        return live

    def left(self, live: LiveSession) -> None:
        """The client of a session has closed for good."""
        self._sessions.left(live)

    def _adapter(self, engine: EngineInfo | None) -> tuple[Choice[Adapter] | None, AnyText]:
        """The adapter, and what the editor should be told about it."""
        if engine is None:
            return None, ""
        try:
            choice = self._registry.choose(engine.name, engine.version)
        except UserError as error:
            raise RemoteProtocolError(errors.WRONG_VALUE, f"field 'engine.version': {error}") from None
        if choice is not None:
            return choice, choice.notice
        known: Sequence[str] = sorted({f"{a.engine} {a.versions}" for a in self._registry.adapters})
        return None, text(
            "No adapter serves {engine} {version}: advice is off. Served are {known}.",
            engine=engine.name,
            version=engine.version,
            known=clauses(known),
        )

    def _ready(
        self, live: LiveSession, token: str, notice: str, others: Sequence[int], *, resumed: bool
    ) -> Ready:
        choice = live.choice
        return Ready(
            session=live.id,
            resume_token=token,
            resumed=resumed,
            workloads=self._workloads,
            adapter=UNSET
            if choice is None
            else AdapterInfo(
                engine=choice.adapter.engine,
                range=choice.adapter.versions,
                exact=choice.exact,
            ),
            notice=notice or UNSET,
            # What was closed while it was away, a daemon that was restarted since doesn't know.
            popups=[*(popup.id for popup in live.session.popups), *others] if resumed else UNSET,
        )


def _of_mates(live: LiveSession, sessions: Sessions) -> list[int]:
    """Popups that `live` shows next: others have them open, and it may have them on the screen."""
    # A daemon that was restarted doesn't know which it had shown as copies.
    shown = dict.fromkeys(popup.id for mate in mates(live, sessions) for popup in mate.session.popups)
    return [popup_id for popup_id in shown if popup_id not in live.session.popups]


def _with_local_root(identify: Identify, scope: MutableMapping[str, Any]) -> Identify:
    """`identify`, without the root of a project on another machine. Raises RemoteProtocolError."""
    if not identify.project or not identify.project.root:
        return identify
    client = scope.get("client")
    if not (client and auth.is_loopback(client[0])):
        return replace(identify, project=replace(identify.project, root=UNSET))
    if not Path(identify.project.root).is_absolute():
        raise RemoteProtocolError(
            errors.WRONG_VALUE, "field 'project.root': isn't an absolute path: send one, or none"
        )
    return identify
