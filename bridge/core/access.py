"""Who may do what: rights, the scopes of tokens, and the right that each act needs.

Every message, question, workload, command, popup and HTTP route is declared here, with the right that it
needs. What plugins add declares its own, or gets the default of its kind.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Mapping
from typing import Literal, get_args

from msgspec import Struct

from accel.text import AnyText, text
from bridge.core import errors
from bridge.core.errors import RequestError
from bridge.core.messages import Ack, Answer, Cancel, Error, Event, Identify, Message, Request, Result

Right = Literal["status", "read", "upload", "run", "edit", "answer", "change", "admin"]
RIGHTS: tuple[Right, ...] = get_args(Right)
RIGHT_TEXTS: Mapping[Right, str] = {
    "status": "Read the daemon's status and metrics.",
    "read": "Download a blob, by its SHA-256.",
    "upload": "Upload blobs.",
    "run": "Run workloads, list changes, and ask why a texture is judged as it is.",
    "edit": "Open a project as an editor: report imports, show popups and carry out commands.",
    "answer": "Answer popups.",
    "change": "Have an editor change import settings or revert a change.",
    "admin": "Manage tokens, pair devices, and check the daemon's machine.",
}
"""What a right allows, by its name."""

EVERY_RIGHT = frozenset(RIGHTS)
NO_RIGHTS: frozenset[Right] = frozenset()


class Scope(Struct, frozen=True):
    """A set of rights that a token can have."""

    name: str
    summary: str
    """Who gets such a token."""
    rights: frozenset[Right]


SCOPES = (
    Scope(
        "editor",
        "An editor that PopBridge checks imports for.",
        frozenset({"status", "read", "upload", "run", "edit", "answer", "change"}),
    ),
    Scope(
        "console",
        "A page or program in which a person watches PopBridge and decides.",
        frozenset({"status", "read", "upload", "run", "answer", "change"}),
    ),
    Scope(
        "tool",
        "A script or a build server that processes images.",
        frozenset({"status", "read", "upload", "run"}),
    ),
    Scope(
        "agent",
        "An AI agent. It can look, compute and propose; a person answers and applies.",
        frozenset({"status", "read", "upload", "run"}),
    ),
    Scope("read-only", "A dashboard or a metrics collector.", frozenset({"status", "read"})),
    Scope("admin", "A person who manages the daemon. It has every right.", EVERY_RIGHT),
)
SCOPE_NAMES = tuple(scope.name for scope in SCOPES)

LOCAL_ID = "local"
"""The id of the token in connection.json."""
LOCAL_SCOPES = ("editor", "console", "tool", "admin")
"""Scopes of the local token. Who can read connection.json is the daemon's own user, who can also read and
write its database; fewer rights would protect nothing."""

ANY: None = None
"""Needs no right: any client, or for a route, even one without a token."""

MESSAGES: Mapping[type[Message], Right | None] = {
    Identify: ANY,
    Ack: ANY,
    Cancel: ANY,
    # A request needs the right of its workload or question.
    Request: ANY,
    Event: "edit",
    # Answers to commands.
    Result: "edit",
    Error: "edit",
    Answer: "answer",
}

QUESTIONS: Mapping[str, Right] = {
    "receipts.list": "run",
    "receipts.revert": "change",
    "texture.explain": "run",
}
"""Requests that the daemon and its own advisors answer, by name."""

WORKLOADS: Mapping[str, Right] = {
    "bridge.": "run",
    "image.": "run",
    "text.": "run",
    "texture.": "run",
}
"""PopBridge's own workloads, by the start of their names."""

COMMANDS: Mapping[str, Right] = {"texture.apply": "change", "texture.revert": "change"}
"""What a client needs whose request leads to a command."""

POPUPS: Mapping[str, Right] = {
    "texture.import": "answer",
    "texture.applied": "answer",
    "texture.silenced": "answer",
    # Only the user of the daemon's machine decides what it reads there.
    "project.allow": "admin",
}
"""What an answer to a popup needs, by the popup's kind."""

ROUTES: Mapping[tuple[str, str], Right | None] = {
    ("GET", "/health"): ANY,
    ("GET", "/metrics"): "status",
    ("GET", "/status"): "status",
    # It names folders, plugins and where the key is.
    ("GET", "/doctor"): "admin",
    ("GET", "/blobs/{name}"): "read",
    ("PUT", "/blobs/{name}"): "upload",
    ("OPTIONS", "/blobs/{name}"): "upload",
    # `HEAD` comes with it.
    ("GET", "/blobs/{name}/upload"): "upload",
    ("PATCH", "/blobs/{name}/upload"): "upload",
    ("DELETE", "/blobs/{name}/upload"): "upload",
    ("OPTIONS", "/blobs/{name}/upload"): "upload",
    ("GET", "/tokens"): "admin",
    ("POST", "/tokens"): "admin",
    ("DELETE", "/tokens/{id}"): "admin",
    ("POST", "/tokens/{id}/rotate"): "admin",
    ("POST", "/pairing"): "admin",
    ("GET", "/pairing"): "admin",
    ("DELETE", "/pairing"): "admin",
    # A device that pairs has no token yet: it proves that it knows the code.
    ("POST", "/pairing/start"): ANY,
    ("POST", "/pairing/finish"): ANY,
}
"""The right for each method and path over HTTP."""

PLUGIN_WORKLOAD: Right = "run"
PLUGIN_QUESTION: Right = "run"
PLUGIN_COMMAND: Right = "change"
PLUGIN_POPUP: Right = "answer"


class Principal(Struct, frozen=True):
    """Who a session or an HTTP request is: the token it came with and what this allows."""

    token_id: str
    """The public part of the token; `local` for that of connection.json."""
    name: str
    """The token's name, for people."""
    scopes: tuple[str, ...]
    rights: frozenset[Right]
    peer: str = ""
    """Where it comes from: an IP address, or `uid 1000` over a Unix socket."""
    kind: str = ""
    """What its client says that it is; empty for HTTP without a session."""

    def may(self, right: Right | None) -> bool:
        """Whether it has this right; `ANY` is allowed to all."""
        return right is None or right in self.rights

    def require(self, right: Right | None, what: AnyText) -> None:
        """Raises RequestError `forbidden`, with the scopes that would do, without the right for `what`."""
        if right is not None and right not in self.rights:
            raise forbidden(self, right, what)


NOBODY = Principal("", "", (), NO_RIGHTS)


def rights_of(scopes: Iterable[str], kind: str = "") -> frozenset[Right]:
    """Returns the rights of a token with these scopes in the hands of a client of this kind.

    A client that calls itself an `agent` has an agent's rights at most, unless its token was made for agents
    and has further scopes. Unknown scopes, as of a later version, allow nothing.
    """
    return _rights_of(frozenset(scopes), kind)


# The sessions of thousands of clients share a few sets.
@functools.lru_cache(maxsize=256)
def _rights_of(names: frozenset[str], kind: str) -> frozenset[Right]:
    rights = NO_RIGHTS.union(*(scope.rights for scope in SCOPES if scope.name in names))
    if kind == "agent" and "agent" not in names:
        rights &= next(scope.rights for scope in SCOPES if scope.name == "agent")
    return rights


def scopes_with(right: Right) -> list[str]:
    """Returns the names of the scopes that have a right, the least powerful first."""
    having = [scope for scope in SCOPES if right in scope.rights]
    return [scope.name for scope in sorted(having, key=lambda scope: len(scope.rights))]


def workload_right(name: str, declared: str = "") -> Right:
    """Returns the right for a workload; `declared` is what its plugin says, empty for the default."""
    own = next((right for start, right in WORKLOADS.items() if name.startswith(start)), PLUGIN_WORKLOAD)
    return _known(declared) or own


def question_right(name: str, declared: str = "") -> Right:
    """Returns the right for a question to an advisor; `declared` as for `workload_right`."""
    return _known(declared) or QUESTIONS.get(name, PLUGIN_QUESTION)


def command_right(name: str) -> Right:
    """Returns the right for a request that leads to this command."""
    return COMMANDS.get(name, PLUGIN_COMMAND)


def popup_right(kind: str) -> Right:
    """Returns the right for an answer to a popup of this kind."""
    return POPUPS.get(kind, PLUGIN_POPUP)


def forbidden(principal: Principal, right: Right, what: AnyText) -> RequestError:
    """Returns the error for a principal that lacks the right for `what`."""
    enough = scopes_with(right)
    if principal.kind == "agent":
        message = text("{what} isn't allowed to agents.", what=what)
        hint = text(
            "Let a person do it, or create a token for this agent with `--scope agent --scope {scope}`.",
            scope=enough[0],
        )
    else:
        scopes = listed(principal.scopes)
        message = text(
            "{what} isn't allowed: the token {name} has {scopes}.",
            what=what,
            name=f"`{principal.name}`",
            scopes=scopes,
        )
        hint = text("Use a token with one of these scopes: {scopes}.", scopes=listed(enough))
    return RequestError(errors.FORBIDDEN, hint, message=message, right=right, scopes=enough)


def listed(scopes: Collection[str]) -> str:
    """Returns the names of scopes for a sentence."""
    return ", ".join(f"`{name}`" for name in scopes) or "–"


def _known(declared: str) -> Right | None:
    return next((right for right in RIGHTS if right == declared), None)
