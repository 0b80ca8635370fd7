"""The handshake: `hello`, `identify` and `ready`, and notices about outdated editor addons."""

from __future__ import annotations

import logging
import unicodedata
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
from bridge.core import access, auth, errors
from bridge.core.codec import SUBPROTOCOLS
from bridge.core.errors import RemoteProtocolError, UserError
from bridge.core.messages import (
    MAX_FRAME,
    POPUP_ITEMS,
    PROTOCOL,
    AdapterInfo,
    AuthOffer,
    AuthProof,
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
from bridge.server.access import unix_socket
from bridge.server.access.authenticator import Authenticator, Challenge, peer_of
from bridge.server.access.roots import ProjectRoots
from bridge.server.live_session import LiveSession, mates
from bridge.server.sessions import Sessions, unknown_session

if TYPE_CHECKING:
    from bridge.server.websocket import AsgiSocket


def addon_notice(identify: Identify, adapter: Adapter) -> AnyText:
    """Returns what to do if the editor's addon isn't the one that `adapter` installs; empty if it is.

    After an upgrade, a daemon that is still running compares with the addon of its own version.
    """
    addon, client = addon_of(adapter), identify.client
    if addon is None or client.name != addon.name or client.version == addon.version:
        return ""
    theirs, ours = _release(client.version), _release(addon.version)
    if _is_newer(theirs, ours):
        return text(
            "The addon in this project is from PopBridge {theirs}, but PopBridge {ours} is running. Update "
            "PopBridge; if you have, restart it.",
            theirs=theirs,
            ours=ours,
        )
    return text(
        "The addon in this project isn't the one of PopBridge {ours}. Run `{install}`, then reopen "
        "the project. If you have, restart PopBridge.",
        ours=ours,
        install=_install(identify, adapter),
    )


def outdated_addon(identify: Identify, adapter: Adapter | None) -> AnyText:
    """Returns why an editor can't revert a change and what to do; empty if its addon is up to date."""
    addon, client = addon_of(adapter) if adapter else None, identify.client
    if adapter is None or addon is None or client.name != addon.name:
        return OLD_EDITOR
    return "" if client.version == addon.version else OLD_ADDON.fill(install=_install(identify, adapter))


def _install(identify: Identify, adapter: Adapter) -> str:
    """Returns the command that installs the addon."""
    root = identify.project.root if identify.project else None
    return f"popbridge install {adapter.engine} {quoted(Path(root)) if root else 'PROJECT'}"


def addon_of(adapter: Adapter) -> Addon | None:
    """Returns the adapter's addon, or None if it has none or an invalid one, which must not reject
    editors."""
    try:
        addon = adapter.addon
        # `asdict`, since msgspec doesn't validate instances of its own types.
        return None if addon is None else msgspec.convert(msgspec.structs.asdict(addon), Addon)
    # A plugin's property may raise anything.
    except (Exception, SystemExit) as error:
        log.warning("adapter %s has an invalid `addon`: %r", adapter.name, error)
        return None


def referenced_addon(adapter: Adapter, root: Path) -> str:
    """Returns the path or URL outside the project that it gets the addon from; empty without one."""
    try:
        # Installers of plugins for 0.3.0 and older have no such method.
        reference = getattr(adapter.installer, "reference", None)
        return "" if reference is None else str(reference(root))
    # A plugin may raise anything.
    except (Exception, SystemExit) as error:
        log.warning("adapter %s can't tell where the addon comes from: %r", adapter.name, error)
        return ""


def _release(version: str) -> str:
    return version.partition("+")[0]


def _is_newer(theirs: str, ours: str) -> bool:
    try:
        return Version(theirs) > Version(ours)
    except InvalidVersion:
        return False


log = logging.getLogger(__name__)

FEATURES = frozenset({"blobs", POPUP_ITEMS, "popups", "resume"})


NO_ROOT = text("Imports aren't checked: `project.root` is missing or the editor is on another machine.")
NOT_DURABLE = text("A restart of PopBridge would lose this session: {reason}.")


class Handshake:
    """Checks clients and opens or resumes their sessions."""

    def __init__(
        self,
        authenticator: Authenticator,
        instance: str,
        settings: Settings,
        registry: Registry,
        sessions: Sessions,
        roots: ProjectRoots,
        arrived: Callable[[LiveSession, bool, Collection[int]], Awaitable[None]],
        use: Callable[[Result], object],
    ) -> None:
        """`arrived` is called with a connected session, whether its client was restarted, and the popups of
        other sessions that `ready` listed. `use` records a use of the files of an unacknowledged answer,
        which its client may fetch now."""
        self.authenticator = authenticator
        self.max_frame = MAX_FRAME
        self.features = FEATURES
        self._instance = instance
        self._settings = settings
        self._registry = registry
        self._sessions = sessions
        self._roots = roots
        self._arrived = arrived
        self._use = use
        self.certified_names: tuple[str, ...] = ()
        """Names of the daemon's certificate, which Host headers may have; empty without TLS."""
        self.check_addon: Callable[[Identify, Adapter], Awaitable[AnyText]] = _unchecked
        """Returns what to tell an editor whose addon's files were changed; empty if they weren't."""
        self._workloads = [
            WorkloadInfo(name=w.name, version=w.version, summary=w.summary)
            for w in registry.workloads.values()
        ]

    def refuse(self, scope: MutableMapping[str, Any]) -> tuple[int, str] | None:
        """Returns the HTTP status and reason of a rejected handshake, or None."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if not auth.host_allowed(headers.get("host", ""), self.allowed_hosts):
            return (
                403,
                "This Host is not allowed: use 127.0.0.1, or add the name to the setting `allowed_hosts`.",
            )
        if not auth.origin_allowed(headers.get("origin")):
            return 403, "Web pages can't connect."
        if not set(scope["subprotocols"]) & set(SUBPROTOCOLS):
            return 400, f"Use one of the subprotocols {', '.join(SUBPROTOCOLS)}."
        return None

    @property
    def allowed_hosts(self) -> Collection[str]:
        """Names besides loopback that Host headers may have."""
        hosts: Collection[str] = self._settings["allowed_hosts"]
        return (*hosts, *self.certified_names)

    def hello(self, challenge: Challenge) -> Hello:
        """Returns the first message."""
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
            auth=AuthOffer(methods=["proof", "token"], nonce=challenge.server_nonce, proof=challenge.proof),
        )

    async def admit(
        self, identify: Identify, challenge: Challenge, socket: AsgiSocket, scope: MutableMapping[str, Any]
    ) -> LiveSession:
        """Opens or resumes a session; sends `ready` and the unacknowledged messages.

        Raises RemoteProtocolError, also for a client without the right to be what it says.
        """
        principal = self.authenticator.identify(identify, challenge, peer_of(scope))
        if identify.client.kind == "editor" and not principal.may("edit"):
            scopes = ", ".join(access.scopes_with("edit"))
            raise RemoteProtocolError(
                errors.NOT_ALLOWED, f"field 'client.kind': an editor needs a token with a scope of: {scopes}"
            )
        # Of what the client sent, only the token's id is stored.
        asked = replace(_with_local_root(identify, scope), auth=AuthProof(id=principal.token_id))
        admission = await self._roots.admit(asked)
        identify = admission.identify
        choice, notice = self._adapter(identify.engine or None)
        if choice is not None:
            changed = await self.check_addon(identify, choice.adapter)
            notice = sentences([notice, addon_notice(asked, choice.adapter), changed])
            if not (identify.project and identify.project.root):
                notice = sentences([notice, admission.notice or NO_ROOT])
        restarted = False
        if identify.resume:
            live, token, restarted = self._sessions.resume(identify, choice)
        else:
            live, token, problem = await self._sessions.open(identify, choice)
            if problem is not None:
                log.error("session %s is not stored: %s", live.id, problem.reason)
                notice = sentences([notice, NOT_DURABLE.fill(reason=problem.reason)])
        self._roots.awaits(live, admission.unregistered)
        last_seq = identify.resume.last_seq if identify.resume else 0
        try:
            await live.take_over()
            async with live.sending, socket.lock:
                waiting = await live.attach(socket, last_seq)
                if live.ended:
                    # It expired while this task was waiting for the locks.
                    raise unknown_session(live.id)
                # It may have been revoked meanwhile.
                self.authenticator.check(principal.token_id)
                live.principal = principal
                live.acknowledged(last_seq)
                others = _of_mates(live, self._sessions)
                shown = translate(notice, identify.locale or "")
                await socket.write(self._ready(live, token, shown, others, resumed=bool(identify.resume)))
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
        """Ends the session of a client that closed it."""
        self._sessions.left(live)

    def _adapter(self, engine: EngineInfo | None) -> tuple[Choice[Adapter] | None, AnyText]:
        """Chooses the adapter; returns it with a notice for the editor."""
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
            "{engine} {version} is not supported: imports aren't checked. Supported: {known}. Use one of "
            "these versions, or update PopBridge.",
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
            http_token=self.authenticator.http_token(live),
            scopes=list(live.principal.scopes),
            adapter=UNSET
            if choice is None
            else AdapterInfo(
                engine=choice.adapter.engine,
                range=choice.adapter.versions,
                exact=choice.exact,
            ),
            notice=notice or UNSET,
            # A restarted daemon doesn't know which popups were closed while the client was away.
            popups=[*(popup.id for popup in live.session.popups), *others] if resumed else UNSET,
        )


async def _unchecked(identify: Identify, adapter: Adapter) -> AnyText:
    return ""


def _of_mates(live: LiveSession, sessions: Sessions) -> list[int]:
    """Returns the open popups of other editors with the same project, which `live` also shows."""
    # A restarted daemon doesn't know which ones `live` already shows.
    shown = dict.fromkeys(popup.id for mate in mates(live, sessions) for popup in mate.session.popups)
    return [popup_id for popup_id in shown if popup_id not in live.session.popups]


def _with_local_root(identify: Identify, scope: MutableMapping[str, Any]) -> Identify:
    """Removes the project root if the client is on another machine. Raises RemoteProtocolError."""
    if not identify.project:
        return identify
    if any(unicodedata.category(each) == "Cc" for each in identify.project.id):
        # Keys of projects contain NUL in front of the token.
        raise RemoteProtocolError(
            errors.WRONG_VALUE, "field 'project.id' has control characters: remove them"
        )
    if not identify.project.root:
        return identify
    client, server = scope.get("client"), scope.get("server")
    # A program that comes from the daemon's own address runs on its machine, too.
    own = server and client and client[0] == server[0]
    if not (client and (own or client[0] == unix_socket.SCHEME or auth.is_loopback(client[0]))):
        return replace(identify, project=replace(identify.project, root=UNSET))
    if not Path(identify.project.root).is_absolute():
        raise RemoteProtocolError(
            errors.WRONG_VALUE, "field 'project.root' is not an absolute path: send one, or none"
        )
    return identify
