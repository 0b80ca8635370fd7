"""All wire messages, and the limits of the protocol."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from accel.text import AnyText
from bridge.core.textures import Kind, UseBasis, UseDomain

Id = Annotated[
    int,
    Meta(
        ge=0, le=2**53 - 1, description="A request's id, chosen by the client and unique among its open ones."
    ),
]
CommandId = Annotated[
    int, Meta(ge=0, le=2**53 - 1, description="A command's id, chosen by the server and never reused.")
]
PopupId = Annotated[
    int, Meta(ge=0, le=2**53 - 1, description="A popup's id, chosen by the server and never reused.")
]
AskedId = Annotated[
    int,
    Meta(
        ge=0,
        le=2**53 - 1,
        description="The id of a request (from the server) or of a command (from the client).",
    ),
]
Seq = Annotated[int, Meta(ge=1, le=2**53 - 1, description="The number of a server message, counted from 1.")]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
Text = Annotated[str, Meta(max_length=4096)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="SHA-256 of the bytes, lower-case hex.")]
Millis = Annotated[int, Meta(ge=0, le=86_400_000, description="Milliseconds.")]


MAX_TRANSLATABLE = 8192
"""Maximum bytes of a translatable sentence in a message."""


class Part(Struct, kw_only=True, omit_defaults=True):
    """A map inside a message."""


class ServerInfo(Part, kw_only=True):
    name: Name
    """`popbridge`."""
    version: Name
    """The version of the daemon."""
    instance: Annotated[str, Meta(description="A new value for each start of the daemon.")]


class Limits(Part, kw_only=True):
    frame: Annotated[int, Meta(ge=1, description="Largest frame in bytes.")]
    inline: Annotated[int, Meta(ge=0, description="Largest `data` in a frame in bytes.")]
    inflight: Annotated[int, Meta(ge=1, description="Maximum open requests of the session.")]


class AuthOffer(Part, kw_only=True):
    methods: list[Literal["token", "proof"]]
    """The client uses one of them."""
    nonce: Annotated[str, Meta(description="Hex, new for each connection; part of what the proofs sign.")]
    proof: (
        Annotated[
            str,
            Meta(pattern="^[0-9a-f]{64}$", description="The server's proof that it knows the token, hex."),
        ]
        | UnsetType
    ) = UNSET
    """Set if the URL has `token` and `nonce`. Check it before you send anything."""


class AuthProof(Part, kw_only=True):
    proof: (
        Annotated[str, Meta(description="The client's proof that it knows the token, hex.")] | UnsetType
    ) = UNSET
    nonce: Text | UnsetType = UNSET
    """The client's nonce, as in the URL."""
    id: Text | UnsetType = UNSET
    """The token's id, as in the URL."""
    token: Text | UnsetType = UNSET
    """The token itself, from older clients. A program that has taken the daemon's port would read it."""


class ClientInfo(Part, kw_only=True):
    kind: Literal["editor", "console", "tool", "agent"]
    """An `editor` executes commands; the others only send requests."""
    name: Name
    """The program's name."""
    version: Name
    """The program's version."""


class EngineInfo(Part, kw_only=True):
    name: Name
    """In lower case."""
    version: Annotated[str, Meta(min_length=1, max_length=128, description="As the engine prints it.")]


class ProjectInfo(Part, kw_only=True):
    """The project that an editor has open."""

    id: Annotated[str, Meta(min_length=1, max_length=128, description="Stable for one copy of the project.")]
    name: Annotated[str, Meta(max_length=256)]
    """The display name."""
    root: Annotated[str, Meta(description="Absolute path; loopback clients only.")] | UnsetType = UNSET


class Resume(Part, kw_only=True):
    """The session to resume, and the last message handled."""

    session: Name
    """`session` of the last `ready`."""
    token: Text
    """`resume_token` of the last `ready`."""
    last_seq: Annotated[
        int, Meta(ge=0, le=2**53 - 1, description="The last server message that was handled; 0 for none.")
    ]


class AdapterInfo(Part, kw_only=True):
    engine: Name
    """In lower case, as in `identify.engine.name`."""
    range: Annotated[str, Meta(description="PEP 440 specifier of the supported versions.")]
    exact: Annotated[bool, Meta(description="False if the engine is newer than the range.")]


class WorkloadInfo(Part, kw_only=True):
    name: Name
    """For `request.workload`."""
    version: Annotated[int, Meta(ge=1)]
    """Increases whenever the same input produces a different output."""
    summary: str
    """One line for people."""


class InputRef(Part, kw_only=True):
    """An input file; exactly one of `blob`, `data` and `path` is set."""

    name: Name
    """Name used in errors."""
    blob: Sha256 | UnsetType = UNSET
    """The SHA-256 of a blob, lower-case hex."""
    data: bytes | UnsetType = UNSET
    """The bytes themselves."""
    path: Annotated[str, Meta(max_length=4096, description="Below the project's root.")] | UnsetType = UNSET


class OutputRef(Part, kw_only=True):
    name: Name
    """The name that the workload assigned."""
    media_type: Name
    """For example `image/png`."""
    size: Annotated[int, Meta(ge=0, description="Bytes.")]
    blob: Sha256 | UnsetType = UNSET
    """The SHA-256 of a blob, lower-case hex."""
    data: bytes | UnsetType = UNSET
    """The bytes themselves."""


class ResultMeta(Part, kw_only=True):
    cached: bool = False
    """Whether the result is from the cache."""
    device: str = ""
    """The device it ran on."""
    reason: str = ""
    """Why this device was chosen, for people; absent if there was no choice."""
    batch: Annotated[int, Meta(ge=0)] = 0
    """The number of requests in the batch."""
    queued_ms: Annotated[float, Meta(ge=0)] = 0.0
    """Milliseconds it waited before the run."""
    run_ms: Annotated[float, Meta(ge=0)] = 0.0
    """Milliseconds of the run."""


class Translatable(Part, kw_only=True):
    """A translatable sentence: a template and its values."""

    id: Annotated[str, Meta(min_length=1, max_length=4096)]
    """The English template with named placeholders, as in `{name} is {size}`; other braces are doubled."""
    plural: Text = ""
    """The template if the value `n` isn't 1; empty without a plural."""
    values: dict[str, Any] = {}
    """Values by placeholder; a map with `id` is another translatable sentence."""

    @classmethod
    def of(cls, text: AnyText) -> Translatable | UnsetType:
        """Converts a text; UNSET for a plain string and for one too long for a message."""
        if isinstance(text, str) or len(msgspec.msgpack.encode(text)) > MAX_TRANSLATABLE:
            return UNSET
        return cls(id=text.id, plural=text.plural, values=msgspec.to_builtins(text.values))


class Choice(Part, kw_only=True):
    """One line that an action offers before it is sent, for example a rule that it would write."""

    id: Name
    """The value for `answer.choices`."""
    label: Text
    """The line."""
    detail: Text = ""
    """A second line."""
    checked: bool = True
    """Whether it is ticked at first."""


class Action(Part, kw_only=True):
    """One button of a popup, or one line of its menu."""

    id: Name
    """The value for `answer.action`."""
    label: Text
    """The text on the button."""
    style: Literal["primary", "normal", "danger"] = "normal"
    """Appearance; `danger` for actions that can't be undone."""
    default: bool = False
    """Whether the return key presses it."""
    label_one: Text = ""
    """The text while one file has a tick. Files are counted by `path`, each once even if it is in several
    rows; a leaf without a `path` above it counts by itself. If set, the button is disabled while none has."""
    label_many: Text = ""
    """The text while several files have a tick; `{count}` is their number."""
    choices: Annotated[list[Choice], Meta(max_length=1024)] = []
    """Lines to show, with their ticks, before the action is sent; the ids of the ticked ones are
    `answer.choices`."""


class Field(Part, kw_only=True):
    """One input of a popup."""

    name: Name
    """The key in `answer.values`."""
    type: Literal["text", "bool", "int", "float", "choice"]
    """The type of the value."""
    label: Text
    """The label beside the input."""
    value: Any = None
    """The initial value."""
    options: list[str] | UnsetType = UNSET
    """The options of a `choice`."""


class PopupItem(Part, kw_only=True, gc=False):
    """One row of a popup's list: a problem, a texture with it, or a change of this texture.

    A leaf is a row without children. It can be ticked unless it is `locked` or has a `status`.
    """

    id: Name
    """Unique in the popup; the value for `answer.checked`."""
    title: Text
    """The first line."""
    detail: Text = ""
    """The second line: the effect, the folder, or the reason for `status`."""
    value: Text = ""
    """At the row's end, for example the GPU memory that it frees."""
    key: Text = ""
    """Set on changes: the setting's own name in the engine's scripts and files, for a tooltip."""
    severity: Literal["error", "warning", "note"] | UnsetType = UNSET
    """Set on problems."""
    picture: Sha256 | UnsetType = UNSET
    """A thumbnail: the SHA-256 of a blob, lower-case hex."""
    path: Text | UnsetType = UNSET
    """Set on textures: the path below the project's root."""
    checked: bool = False
    """Whether the leaf is ticked at first. Rows with children show the ticks of theirs."""
    locked: Text = ""
    """Why the row can't be ticked; it then has no box."""
    needs: list[Name] = []
    """The leaves that are always ticked and unticked together with this one."""
    status: Literal["", "pending", "done", "failed", "kept"] = ""
    """What became of it once the answer is carried out; `kept`: left as it is."""
    children: list[PopupItem] = []
    """The rows below it."""


class AssetUse(Part, kw_only=True):
    """One use of a texture that the editor knows, such as a material's slot."""

    kind: Kind | UnsetType = UNSET
    """What the slot expects; absent if unknown, as in a shader of the project's own."""
    slot: Annotated[str, Meta(max_length=256)] = ""
    """The slot's name in the engine or the shader, such as `_BumpMap`."""
    basis: UseBasis = "slot"
    """How `kind` is known: `slot` is a property of the engine, `declaration` an attribute or hint in the
    shader's source, `name` the name of a property of the project's own."""
    domain: UseDomain | UnsetType = UNSET
    """Where it is drawn, if that is known."""


class ImportedAsset(Part, kw_only=True):
    """A texture as the editor imported it."""

    path: Annotated[str, Meta(min_length=1, max_length=4096)]
    """The engine's name for it."""
    type: Name
    """`texture`; others are ignored."""
    options: dict[str, Any]
    """All present import settings, in the engine's own names and types."""
    file: Annotated[str, Meta(max_length=4096)] | UnsetType = UNSET
    """Its file below the project's root, with forward slashes; absent if there is none."""
    blob: Sha256 | UnsetType = UNSET
    """Its pixels as an uploaded PNG or EXR, if it has no `file`: SHA-256, lower-case hex."""
    used_as: Annotated[list[AssetUse], Meta(max_length=64)] = []
    """The uses that the editor knows; those in project files count too."""
    unit: Annotated[str, Meta(max_length=4096)] | UnsetType = UNSET
    """The path of what holds the settings in `options`, if that isn't the texture alone: an atlas, a group
    or a preset. Its textures have the same `options`."""


class ImportedAssets(Part, kw_only=True):
    """The data of the event `asset.imported`: the textures of one import."""

    batch: Annotated[int, Meta(ge=0, le=2**53 - 1)] = 0
    """The number of the import, the same in all its frames."""
    more: bool = False
    """True in all frames of an import but the last."""
    assets: list[ImportedAsset]
    """The textures."""


class WantedAssets(Part, kw_only=True):
    """The data of the daemon's event `asset.wanted`: textures whose pixels it no longer has. The editor
    uploads them and reports `asset.imported` again."""

    paths: list[str]
    """The engine's names for them."""


PROTOCOL = 1
SUBPROTOCOL_MSGPACK = "bridge.v1.msgpack"
SUBPROTOCOL_JSON = "bridge.v1.json"
MAX_FRAME = 256 * 1024
"""Largest frame in bytes."""
MAX_INLINE = 64 * 1024
"""Largest `data` in a frame in bytes; larger data is sent over HTTP."""
MAX_INPUTS = 64
"""Maximum inputs of a request."""
MAX_CHECKED = 65_536
"""Maximum ids in `answer.checked`."""
MAX_KEY = 128
"""Maximum characters of an idempotency key."""
MAX_DEPTH = 32
"""Maximum nesting of lists and maps in fields of any content: `params`, `value`, `data`, `values`."""
MIN_INT, MAX_INT = -(2**63), 2**64 - 1
"""The integers of msgpack; JSON has the same limits here."""
POPUP_ITEMS = "popup_items"
"""The feature of clients that show the lists of popups and their progress."""
IDENTIFY_TIMEOUT_S = 10.0
DONE_CODE, DONE_REASON = 1000, "done"
"""A client closes with these to end its session (1000 is the normal closure of RFC 6455 §7.4.1)."""


class Message(Struct, tag_field="type", kw_only=True, omit_defaults=True):
    """A message: a map with `type` and that type's fields. Each frame contains one."""


class Numbered(Message, kw_only=True):
    """A message with a `seq` if the server sends it, which stores it until it is acknowledged."""

    seq: Seq | UnsetType = UNSET


class Hello(Message, tag="hello", kw_only=True):
    """The first message of the server: its identity, features and limits."""

    protocol: int
    """The server's protocol version."""
    features: list[str]
    """Optional features that it supports."""
    server: ServerInfo
    """The server's name and version."""
    limits: Limits
    """The server's limits."""
    heartbeat_s: Annotated[float, Meta(gt=0, description="Seconds between the server's pings.")]
    auth: AuthOffer
    """Supported authentication methods."""


class Identify(Message, tag="identify", kw_only=True):
    """The first message of the client, within 10 s: its identity, and the session to resume."""

    protocol: int
    """The client's protocol version."""
    client: ClientInfo
    """The client's kind, name and version."""
    instance: Annotated[
        str, Meta(min_length=1, max_length=128, description="A new value for each start of the client.")
    ]
    auth: AuthProof
    """The token, or a proof of it."""
    features: list[str] = []
    """Features that the client requires, or uses if `hello` offers them."""
    engine: EngineInfo | UnsetType = UNSET
    """Set by editors; selects the adapter."""
    project: ProjectInfo | UnsetType = UNSET
    """Set by editors; rules and receipts are stored by project."""
    resume: Resume | UnsetType = UNSET
    """The session to resume."""
    locale: Annotated[str, Meta(max_length=32, description="BCP 47; the language of popups.")] | UnsetType = (
        UNSET
    )


class Ready(Message, tag="ready", kw_only=True):
    """The session is open; unacknowledged messages follow, in order."""

    session: Name
    """The session's id, for `resume`."""
    resume_token: str
    """The secret for `resume`, valid as long as the session."""
    resumed: bool
    """Whether the session was resumed."""
    workloads: list[WorkloadInfo]
    """The available workloads."""
    http_token: str | UnsetType = UNSET
    """The bearer token for HTTP, valid as long as the session and this run of the daemon."""
    scopes: list[Name] | UnsetType = UNSET
    """The scopes that the session has."""
    adapter: AdapterInfo | UnsetType = UNSET
    """Set if an adapter supports the engine."""
    notice: str | UnsetType = UNSET
    """A text to show to the user."""
    popups: list[PopupId] | UnsetType = UNSET
    """Set if `resumed`: the open popups, including those shared by other editors. Remove all others from the
    screen, except those whose answers aren't confirmed yet: they were closed, or are sent again. A listed
    popup may also be sent again with the same id."""


class Request(Message, tag="request", kw_only=True):
    """Runs a workload or asks an advisor; answered by one `result` or `error`."""

    id: Id
    workload: Name
    """One of `ready.workloads`, or a question to an advisor."""
    params: dict[str, Any] = {}
    """The workload's parameters."""
    inputs: Annotated[list[InputRef], Meta(max_length=MAX_INPUTS)] = []
    """The input files, in the order that the workload expects."""
    priority: Literal["interactive", "normal", "bulk"] = "normal"
    """`interactive` runs first, `bulk` last. `bulk` requests are durable."""
    deadline_ms: Millis | UnsetType = UNSET
    """Milliseconds after which the request fails with `deadline_exceeded`."""
    key: (
        Annotated[str, Meta(min_length=1, max_length=MAX_KEY, description="Idempotency key.")] | UnsetType
    ) = UNSET
    cache: bool = True
    """Whether the result may come from the cache."""


class Accepted(Message, tag="accepted", kw_only=True):
    """The request is durable: it is journaled, and answered once even after a crash."""

    id: Id
    job: Name
    """The job's name in the journal."""


class Progress(Message, tag="progress", kw_only=True):
    """The progress of a request, if its workload reports it; dropped while no client is connected."""

    id: Id
    fraction: Annotated[float, Meta(ge=0, le=1)]
    """0 at the start, 1 at the end."""
    stage: Text = ""
    """The current step, for people."""


class Result(Numbered, tag="result", kw_only=True):
    """The answer to a request, or an editor's answer to a `command` (its value has `before` and `after`)."""

    id: AskedId
    value: Any
    """The workload's value, or the values the editor observed."""
    outputs: list[OutputRef] = []
    """Output files."""
    meta: ResultMeta | UnsetType = UNSET
    """Details of the run."""


class Error(Numbered, tag="error", kw_only=True):
    """The answer to a failed request or command."""

    code: Name
    """An error code."""
    message: Text
    """Description of the failure, for people."""
    id: AskedId | UnsetType = UNSET
    hint: Text | UnsetType = UNSET
    """Remedy, for people."""
    message_text: Translatable | UnsetType = UNSET
    """`message` in translatable form."""
    hint_text: Translatable | UnsetType = UNSET
    """`hint` in translatable form."""
    retryable: bool = False
    """Whether the same request may succeed later."""
    retry_after_ms: Millis | UnsetType = UNSET
    """Milliseconds to wait before a retry."""
    outcome: Literal["failed", "not_started", "unknown"] = "failed"
    """`unknown`: it may have been done."""


class Cancel(Message, tag="cancel", kw_only=True):
    """Cancels a request, which is answered by an `error` with the code `cancelled`."""

    id: Id


class Command(Numbered, tag="command", kw_only=True):
    """A command to the editor, which answers once with a `result` or `error` of the same id."""

    id: CommandId
    name: Name
    """The command; see the editor contract."""
    args: dict[str, Any]
    """The arguments; see the editor contract."""
    deadline_ms: Millis
    """Milliseconds that the editor may take; later answers still count."""


class Event(Numbered, tag="event", kw_only=True):
    """An event in an editor, or (with `seq`) in the server."""

    name: Name
    """The event; see the editor contract."""
    data: dict[str, Any] = {}
    """The event's data; see the editor contract."""


class Popup(Numbered, tag="popup", kw_only=True):
    """A popup to show without blocking. The editor replies with an `answer` that has the same id."""

    id: PopupId
    kind: Name
    """The kind of advice, for styling; not shown."""
    title: Text
    """The title, one line."""
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
    """The severity, for styling."""
    image: Sha256 | UnsetType = UNSET
    """An image: the SHA-256 of a blob, lower-case hex."""
    fields: list[Field] | UnsetType = UNSET
    """Inputs; their values are sent in `answer.values`."""
    dedupe: (
        Annotated[str, Meta(max_length=256, description="Replaces an open popup with the same value.")]
        | UnsetType
    ) = UNSET
    expires_ms: Millis | UnsetType = UNSET
    """Milliseconds after which the popup closes."""
    present: Annotated[
        Literal["toast", "dock", "modal"], Meta(description="A preference; clients may use another.")
    ] = "dock"
    items: list[PopupItem] = []
    """A list to tick, instead of `body`; clients that can't show it show `body`."""
    items_blob: Sha256 | UnsetType = UNSET
    """The SHA-256 of a blob with `items` as JSON, if they are too large for a frame."""
    menu: Annotated[list[Action], Meta(max_length=8)] = []
    """Further actions, in a menu beside the buttons."""
    replaces: PopupId | UnsetType = UNSET
    """The popup whose place on the screen it takes. If that one is still open, it is closed."""
    progress: Annotated[float, Meta(ge=0, le=1)] | UnsetType = UNSET
    """Shows a progress bar; `popup_progress` moves it."""


class PopupProgress(Message, tag="popup_progress", kw_only=True):
    """How far the work on a popup is: on an open one, or on one whose answer is carried out, which a popup
    that `replaces` it follows in the end.

    Only for clients with the feature `popup_items`; dropped while none is connected.
    """

    id: PopupId
    fraction: Annotated[float, Meta(ge=0, le=1)]
    """0 at the start, 1 at the end."""
    text: Text = ""
    """What is done, for people: `18 of 31`."""


class PopupClose(Message, tag="popup_close", kw_only=True):
    """The popup is closed; also confirms that its `answer` is stored and need not be sent again."""

    id: PopupId
    reason: Literal["answered", "dismissed", "expired", "superseded", "undeliverable", "unknown"]
    """`superseded`: another popup replaces it, or its answer is no longer needed."""


class Answer(Message, tag="answer", kw_only=True):
    """The user's answer to a popup; repeated after a reconnect until `popup_close` confirms it."""

    id: PopupId
    state: Literal["answered", "dismissed", "expired", "undeliverable"]
    """`undeliverable`: the popup couldn't be shown."""
    action: Name | UnsetType = UNSET
    """The id of the chosen action, of `actions` or `menu`; required if `answered`."""
    values: dict[str, Any] | UnsetType = UNSET
    """Values by field name."""
    checked: Annotated[list[Name], Meta(max_length=MAX_CHECKED)] | UnsetType = UNSET
    """The ids of the ticked items, each once. A row with children stands for all leaves below it that aren't
    locked. Absent: the initial ticks."""
    choices: Annotated[list[Name], Meta(max_length=1024)] | UnsetType = UNSET
    """The ids of the ticked `choices` of the action, each once. Absent: the initial ticks."""


class Ack(Message, tag="ack", kw_only=True):
    """All server messages up to `seq` were handled: results used, commands answered, popups shown."""

    seq: Seq


CLIENT_MESSAGES = (Identify, Request, Result, Error, Cancel, Event, Answer, Ack)
SERVER_MESSAGES = (
    Hello, Ready, Accepted, Progress, Result, Error, Cancel, Command, Event, Popup, PopupClose, PopupProgress,
)  # fmt: skip
EVENT_DATA = (ImportedAssets, WantedAssets)
"""What `event.data` holds in events of these names; unknown fields are ignored, as everywhere."""
ClientMessage = Identify | Request | Result | Error | Cancel | Event | Answer | Ack
ServerMessage = (
    Hello | Ready | Accepted | Progress | Result | Error | Cancel | Command | Event | Popup | PopupClose
    | PopupProgress
)  # fmt: skip
