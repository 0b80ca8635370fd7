"""What messages are made of: numbers and texts with their ranges, and the maps inside of messages."""

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
