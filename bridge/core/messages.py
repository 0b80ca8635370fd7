"""Every wire message."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from accel.text import AnyText

Id = Annotated[
    int,
    Meta(ge=0, le=2**53 - 1, description="A request's: the client chooses it, unique among its open ones."),
]
CommandId = Annotated[
    int, Meta(ge=0, le=2**53 - 1, description="A command's: the server chooses it, and never uses it again.")
]
PopupId = Annotated[
    int, Meta(ge=0, le=2**53 - 1, description="A popup's: the server chooses it, and never uses it again.")
]
AskedId = Annotated[
    int, Meta(ge=0, le=2**53 - 1, description="From the server a request's id, from the client a command's.")
]
Seq = Annotated[int, Meta(ge=1, le=2**53 - 1, description="Number of a server message, rising from 1.")]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
Text = Annotated[str, Meta(max_length=4096)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="SHA-256 of the bytes, lower-case hex.")]
Millis = Annotated[int, Meta(ge=0, le=86_400_000, description="Milliseconds.")]


MAX_TRANSLATABLE = 8192
"""Bytes of a sentence that is sent in parts, too."""


class Part(Struct, kw_only=True, omit_defaults=True):
    """A map inside a message."""


class ServerInfo(Part, kw_only=True):
    name: Name
    """`popbridge`."""
    version: Name
    """Of the daemon, as people read it."""
    instance: Annotated[str, Meta(description="New each time that the daemon starts.")]


class Limits(Part, kw_only=True):
    frame: Annotated[int, Meta(ge=1, description="Largest frame, bytes.")]
    inline: Annotated[int, Meta(ge=0, description="Largest `data` in a frame, bytes.")]
    inflight: Annotated[int, Meta(ge=1, description="Most open requests of one session.")]


class AuthOffer(Part, kw_only=True):
    methods: list[Literal["token", "proof"]]
    """Those of which the client chooses one."""
    nonce: Annotated[str, Meta(description="Hex; what a proof is made over.")]


class AuthProof(Part, kw_only=True):
    token: Text | UnsetType = UNSET
    """That of connection.json; or `proof` and `nonce`."""
    proof: (
        Annotated[str, Meta(description="HMAC-SHA256(token, server nonce + client nonce), hex.")] | UnsetType
    ) = UNSET
    nonce: Text | UnsetType = UNSET
    """The client's own, for the proof."""


class ClientInfo(Part, kw_only=True):
    kind: Literal["editor", "console", "tool", "agent"]
    """An `editor` carries out what is asked of its project; the others only ask."""
    name: Name
    """What the program calls itself."""
    version: Name
    """Of the program, as people read it."""


class EngineInfo(Part, kw_only=True):
    name: Name
    """In lower case, as its adapters call it."""
    version: Annotated[str, Meta(min_length=1, max_length=128, description="As the engine itself prints it.")]


class ProjectInfo(Part, kw_only=True):
    """The project that an editor has open."""

    id: Annotated[str, Meta(min_length=1, max_length=128, description="Stable for one copy of the project.")]
    name: Annotated[str, Meta(max_length=256)]
    """What people call it."""
    root: Annotated[str, Meta(description="Absolute path; loopback clients only.")] | UnsetType = UNSET


class Resume(Part, kw_only=True):
    """Which session a client wants back, and from where on."""

    session: Name
    """That of the last `ready`."""
    token: Text
    """`resume_token` of the last `ready`."""
    last_seq: Annotated[
        int, Meta(ge=0, le=2**53 - 1, description="Highest server message that was handled; 0 for none.")
    ]


class AdapterInfo(Part, kw_only=True):
    engine: Name
    """In lower case, as `identify.engine.name`."""
    range: Annotated[str, Meta(description="PEP 440 specifier of the versions that it is made for.")]
    exact: Annotated[bool, Meta(description="False: the engine is newer than any known; the newest serves.")]


class WorkloadInfo(Part, kw_only=True):
    name: Name
    """For `request.workload`."""
    version: Annotated[int, Meta(ge=1)]
    """Raised whenever the same input gives another output."""
    summary: str
    """What it does, in one line."""


class InputRef(Part, kw_only=True):
    """One of `blob`, `data` and `path` says where the bytes are."""

    name: Name
    """What errors call it."""
    blob: Sha256 | UnsetType = UNSET
    """The SHA-256 of a blob, lower-case hex."""
    data: bytes | UnsetType = UNSET
    """The bytes themselves."""
    path: Annotated[str, Meta(max_length=4096, description="Below the project's root.")] | UnsetType = UNSET


class OutputRef(Part, kw_only=True):
    name: Name
    """As the workload calls it."""
    media_type: Name
    """For example `image/png`."""
    size: Annotated[int, Meta(ge=0, description="Bytes.")]
    blob: Sha256 | UnsetType = UNSET
    """The SHA-256 of a blob, lower-case hex."""
    data: bytes | UnsetType = UNSET
    """The bytes themselves."""


class ResultMeta(Part, kw_only=True):
    cached: bool = False
    """Whether a kept result was given."""
    device: str = ""
    """Where it ran."""
    reason: str = ""
    """Why there, for people; absent where there was nothing to choose."""
    batch: Annotated[int, Meta(ge=0)] = 0
    """How many requests ran together."""
    queued_ms: Annotated[float, Meta(ge=0)] = 0.0
    """Milliseconds before it ran."""
    run_ms: Annotated[float, Meta(ge=0)] = 0.0
    """Milliseconds that it ran."""


class Translatable(Part, kw_only=True):
    """A sentence in parts, which a catalogue of another language can translate."""

    id: Annotated[str, Meta(min_length=1, max_length=4096)]
    """The English sentence with named placeholders, as in `{name} is {size}`; other braces are doubled."""
    plural: Text = ""
    """The same for any `n` among the values but 1; empty where it doesn't depend on that."""
    values: dict[str, Any] = {}
    """What stands in the placeholders; a map with `id` is such a sentence in its turn."""

    @classmethod
    def of(cls, text: AnyText) -> Translatable | UnsetType:
        """UNSET for what can't be translated, or is too long for a message."""
        if isinstance(text, str) or len(msgspec.msgpack.encode(text)) > MAX_TRANSLATABLE:
            return UNSET
        return cls(id=text.id, plural=text.plural, values=msgspec.to_builtins(text.values))


class Action(Part, kw_only=True):
    """One button of a popup."""

    id: Name
    """Comes back in `answer.action`."""
    label: Text
    """What stands on the button."""
    style: Literal["primary", "normal", "danger"] = "normal"
    """How it looks; `danger` for what can't be taken back."""
    default: bool = False
    """The one that the return key presses."""


class Field(Part, kw_only=True):
    """One input of a popup."""

    name: Name
    """The key in `answer.values`."""
    type: Literal["text", "bool", "int", "float", "choice"]
    """What it holds."""
    label: Text
    """What stands beside it."""
    value: Any = None
    """What it holds at first."""
    options: list[str] | UnsetType = UNSET
    """What to choose from, for `choice`."""


PROTOCOL = 1
SUBPROTOCOL_MSGPACK = "bridge.v1.msgpack"
SUBPROTOCOL_JSON = "bridge.v1.json"
MAX_FRAME = 256 * 1024
"""Largest frame, bytes."""
MAX_INLINE = 64 * 1024
"""Largest `data` inside a frame, bytes; larger things go over HTTP."""
MAX_INPUTS = 64
"""Of one request."""
MAX_KEY = 128
"""Longest idempotency key, characters."""
MAX_DEPTH = 32
"""Deepest nesting of lists and maps in a field that holds anything: `params`, `value`, `data`, `values`."""
MIN_INT, MAX_INT = -(2**63), 2**64 - 1
"""What msgpack can say of integers; JSON is held to it too."""
IDENTIFY_TIMEOUT_S = 10.0
DONE_CODE, DONE_REASON = 1000, "done"
"""How a client closes that won't come back to its session (1000 is RFC 6455 §7.4.1's normal closure)."""


class Message(Struct, tag_field="type", kw_only=True, omit_defaults=True):
    """One frame holds one message: a map with `type` and the fields of that type."""


class Numbered(Message, kw_only=True):
    """A message that, sent by the server, carries `seq` and is kept until it is acknowledged."""

    seq: Seq | UnsetType = UNSET


# Messages, in the order in which a session meets them.


class Hello(Message, tag="hello", kw_only=True):
    """From the server, first: who it is, what it can do and how much it takes."""

    protocol: int
    """The version that the server speaks."""
    features: list[str]
    """What it can do beyond the base of the protocol."""
    server: ServerInfo
    """Who answers."""
    limits: Limits
    """How much it takes."""
    heartbeat_s: Annotated[float, Meta(gt=0, description="The server pings this often, seconds.")]
    auth: AuthOffer
    """How to show that the client knows the token."""


class Identify(Message, tag="identify", kw_only=True):
    """From the client, first, within 10 s: who it is, and which session it wants back."""

    protocol: int
    """The version that the client speaks."""
    client: ClientInfo
    """Who asks."""
    instance: Annotated[
        str, Meta(min_length=1, max_length=128, description="New each time that the client starts.")
    ]
    auth: AuthProof
    """Shows that the client knows the token."""
    features: list[str] = []
    """What the client cannot do without."""
    engine: EngineInfo | UnsetType = UNSET
    """Editors say it; it decides the adapter."""
    project: ProjectInfo | UnsetType = UNSET
    """Editors say it; rules and receipts are kept by it."""
    resume: Resume | UnsetType = UNSET
    """The session that it wants back."""
    locale: Annotated[str, Meta(max_length=32, description="BCP 47; popups come in it.")] | UnsetType = UNSET


class Ready(Message, tag="ready", kw_only=True):
    """The session is open; what wasn't acknowledged follows, in order."""

    session: Name
    """For `resume`, with the token."""
    resume_token: str
    """Secret; keep it as long as the session."""
    resumed: bool
    """Whether this is the session that `resume` named."""
    workloads: list[WorkloadInfo]
    """What can be asked for."""
    adapter: AdapterInfo | UnsetType = UNSET
    """There if an adapter serves the engine."""
    notice: str | UnsetType = UNSET
    """Show it to the person."""
    popups: list[PopupId] | UnsetType = UNSET
    """There where `resumed`: those that are open, with those of editors that share them. What else is on the
    screen was closed meanwhile, or comes again: take it away, save what waits for the confirmation of its
    answer. What is named may come once more under its id: it is shown already."""


class Request(Message, tag="request", kw_only=True):
    """Asks for a workload, or for an advisor that can be asked; answered by one `result` or `error`."""

    id: Id
    workload: Name
    """One of `ready.workloads`, or an advisor that can be asked."""
    params: dict[str, Any] = {}
    """As the workload declares them."""
    inputs: Annotated[list[InputRef], Meta(max_length=MAX_INPUTS)] = []
    """The files to work on, in the order that the workload wants."""
    priority: Literal["interactive", "normal", "bulk"] = "normal"
    """Which requests wait for which: `interactive` goes first."""
    deadline_ms: Millis | UnsetType = UNSET
    """Milliseconds after which it fails with `deadline_exceeded`."""
    key: (
        Annotated[str, Meta(min_length=1, max_length=MAX_KEY, description="Idempotency key.")] | UnsetType
    ) = UNSET
    cache: bool = True
    """Whether a kept result of the same request may be given."""


class Accepted(Message, tag="accepted", kw_only=True):
    """The request is in the journal and will be done once, whatever dies."""

    id: Id
    job: Name
    """Its name in the journal."""


class Progress(Message, tag="progress", kw_only=True):
    """How far a request has come: sent for workloads that say so, and dropped where nobody is connected."""

    id: Id
    fraction: Annotated[float, Meta(ge=0, le=1)]
    """0 at the start, 1 at the end."""
    stage: Text = ""
    """What is being done, for people."""


class Result(Numbered, tag="result", kw_only=True):
    """A request's answer, or an editor's answer to a `command` (its value: state `before` and `after`)."""

    id: AskedId
    value: Any
    """What the workload gives, or what the editor observed."""
    outputs: list[OutputRef] = []
    """Files that were made."""
    meta: ResultMeta | UnsetType = UNSET
    """How it was done."""


class Error(Numbered, tag="error", kw_only=True):
    """What went wrong, for people: what happened, to what, and what to do."""

    code: Name
    """One of the error codes."""
    message: Text
    """What happened, for people."""
    id: AskedId | UnsetType = UNSET
    hint: Text | UnsetType = UNSET
    """What to do, for people."""
    message_text: Translatable | UnsetType = UNSET
    """`message` as it can be translated."""
    hint_text: Translatable | UnsetType = UNSET
    """`hint` as it can be translated."""
    retryable: bool = False
    """Whether the same again may work later."""
    retry_after_ms: Millis | UnsetType = UNSET
    """Milliseconds to wait before that."""
    outcome: Literal["failed", "not_started", "unknown"] = "failed"
    """`unknown`: nobody can tell whether it was done."""


class Cancel(Message, tag="cancel", kw_only=True):
    """Asks that a request no longer be worked on; answered by its `error` with code `cancelled`."""

    id: Id


class Command(Numbered, tag="command", kw_only=True):
    """Asks the editor to do something; it answers once with `result` or `error` of the same id."""

    id: CommandId
    name: Name
    """What to do; see the editor contract."""
    args: dict[str, Any]
    """What to do it with; see the editor contract."""
    deadline_ms: Millis
    """Milliseconds that the editor may take for it; an answer that comes later counts all the same."""


class Event(Numbered, tag="event", kw_only=True):
    """Something happened: in an editor, or (numbered) in the server."""

    name: Name
    """What happened; see the editor contract."""
    data: dict[str, Any] = {}
    """What is known of it; see the editor contract."""


class Popup(Numbered, tag="popup", kw_only=True):
    """Something to show without blocking; answered by `answer` of the same id."""

    id: PopupId
    kind: Name
    """Which advice it is; for looks, not for people."""
    title: Text
    """One line."""
    body: Annotated[
        str,
        Meta(
            max_length=32768,
            description="Text of several lines with **bold**, `code` and `[label](https://...)`.",
        ),
    ]
    actions: Annotated[list[Action], Meta(max_length=8)]
    """The buttons, in this order."""
    severity: Literal["info", "warning", "error"] = "info"
    """How serious it is; for looks."""
    image: Sha256 | UnsetType = UNSET
    """A picture to show: the SHA-256 of a blob, lower-case hex."""
    fields: list[Field] | UnsetType = UNSET
    """Inputs; their values come in `answer.values`."""
    dedupe: (
        Annotated[str, Meta(max_length=256, description="Takes the place of an open popup with the same.")]
        | UnsetType
    ) = UNSET
    expires_ms: Millis | UnsetType = UNSET
    """Milliseconds after which it closes by itself."""
    present: Annotated[
        Literal["toast", "dock", "modal"], Meta(description="A wish: the client falls back.")
    ] = "dock"


class PopupClose(Message, tag="popup_close", kw_only=True):
    """The popup is settled; also the confirmation that its `answer` is kept and need not be sent again."""

    id: PopupId
    reason: Literal["answered", "dismissed", "expired", "superseded", "undeliverable", "unknown"]
    """What became of it; `superseded`: another took its place, or nobody needs the answer any more."""


class Answer(Message, tag="answer", kw_only=True):
    """What the person did with a popup; sent again after a reconnect until `popup_close` confirms it."""

    id: PopupId
    state: Literal["answered", "dismissed", "expired", "undeliverable"]
    """What became of it; `undeliverable`: it couldn't be shown."""
    action: Name | UnsetType = UNSET
    """The pressed one's id; needed for `answered`."""
    values: dict[str, Any] | UnsetType = UNSET
    """By the names of the fields."""


class Ack(Message, tag="ack", kw_only=True):
    """Every server message up to `seq` was handled: results used, commands answered, popups shown."""

    seq: Seq


CLIENT_MESSAGES = (Identify, Request, Result, Error, Cancel, Event, Answer, Ack)
SERVER_MESSAGES = (
    Hello, Ready, Accepted, Progress, Result, Error, Cancel, Command, Event, Popup, PopupClose,
)  # fmt: skip
ClientMessage = Identify | Request | Result | Error | Cancel | Event | Answer | Ack
ServerMessage = (
    Hello | Ready | Accepted | Progress | Result | Error | Cancel | Command | Event | Popup | PopupClose
)
