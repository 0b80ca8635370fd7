"""What plugin authors import; everything else may change without notice."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, Protocol, get_args

from msgspec import Struct
from packaging.version import Version

from accel.atomic_file import replace_file
from accel.image.operation import (
    Described,
    Operate,
    Operated,
    Operation,
    Reading,
    Writing,
    check_size,
    operation,
)
from accel.image.raster import Multiplied, PixelKind, Raster, Transfer
from accel.progress import Cancelled, part, progress, tracked
from accel.text import AnyText, Text, plural, text
from accel.workload import (
    Batching,
    Compose,
    Function,
    Input,
    Item,
    Limits,
    Output,
    OutputFile,
    Params,
    Workload,
    WorkloadError,
    batched,
    workload,
)
from bridge.client.client import Client, OnCommand, OnEvent, OnPopup, OnPopupClose, OnProgress
from bridge.core.errors import UNSUPPORTED, ContractViolation, ErrorCode, RequestError, UserError
from bridge.core.messages import (
    Action,
    Answer,
    ClientMessage,
    Command,
    Event,
    Field,
    InputRef,
    Popup,
    PopupClose,
    ProjectInfo,
    Result,
    Resume,
)
from bridge.core.revert import changed_since, file_error, remaining_changes
from bridge.core.settings import Setting
from bridge.core.textures import (
    AlphaUse,
    Block,
    ChannelMeaning,
    ColorSpace,
    Compression,
    Filter,
    GpuFormat,
    ImageFacts,
    Kind,
    NormalConvention,
    Platform,
    Severity,
    TextureIntent,
    Wrap,
    limited,
    texture_bytes,
    usual_format,
)
from bridge.core.versions import VersionScheme
from bridge.hooks import hookimpl
from bridge.project.files import (
    Skip,
    WalkedFolder,
    is_hidden,
    is_link,
    is_merged,
    read_text,
    walk,
    write_text,
)
from bridge.project.support import (
    AssetChange,
    EditorSupport,
    HeadlessEditor,
    ProjectSupport,
    Remark,
    TextureAsset,
)

__all__ = [
    "UNSUPPORTED",
    "Action",
    "Adapter",
    "Addon",
    "Advisor",
    "AlphaUse",
    "Answer",
    "AnyText",
    "AssetChange",
    "Batching",
    "Block",
    "Cancelled",
    "ChannelMeaning",
    "Client",
    "ClientMessage",
    "ColorSpace",
    "Command",
    "Compose",
    "Compression",
    "Context",
    "Described",
    "EditorSupport",
    "ErrorCode",
    "Event",
    "Field",
    "Filter",
    "Function",
    "GpuFormat",
    "HeadlessEditor",
    "ImageFacts",
    "Input",
    "InputRef",
    "Item",
    "Kind",
    "Limits",
    "Multiplied",
    "NormalConvention",
    "OnCommand",
    "OnEvent",
    "OnPopup",
    "OnPopupClose",
    "OnProgress",
    "Operate",
    "Operated",
    "Operation",
    "Output",
    "OutputFile",
    "Params",
    "PixelKind",
    "Platform",
    "Popup",
    "PopupClose",
    "ProjectInfo",
    "ProjectSupport",
    "Raster",
    "Reading",
    "Remark",
    "RequestError",
    "Result",
    "Resume",
    "RunResult",
    "SessionView",
    "Setting",
    "Severity",
    "Skip",
    "Text",
    "TextureAsset",
    "TextureIntent",
    "Transfer",
    "UserError",
    "Version",
    "VersionScheme",
    "WalkedFolder",
    "Workload",
    "WorkloadError",
    "Wrap",
    "Writing",
    "batched",
    "changed_since",
    "check_size",
    "file_error",
    "hookimpl",
    "is_hidden",
    "is_link",
    "is_merged",
    "limited",
    "operation",
    "part",
    "plural",
    "progress",
    "read_text",
    "remaining_changes",
    "replace_file",
    "text",
    "texture_bytes",
    "tracked",
    "walk",
    "workload",
    "write_text",
]  # fmt: skip


class Adapter(ABC):
    """A range of one engine's versions: its names for neutral things, and back. No files, no sockets."""

    name: str
    """Unique among all adapters, for example `acme4`."""
    engine: str
    """What an editor calls itself in `identify.engine.name`."""
    versions: str
    """PEP 440 specifier of the versions that it is made and tested for."""
    scheme: VersionScheme
    """How the engine writes its versions."""
    texture_fields: frozenset[str] = frozenset()
    """The fields of `TextureIntent` that this engine's import settings decide."""
    srgb_kinds: frozenset[Kind] = frozenset()
    """Kinds of data (`specular`, for example) that this engine's own materials read as colours, sRGB."""
    resizes: bool = False
    """Whether the engine brings textures to powers of two by itself when it imports them."""
    packed_channels: Mapping[str, ChannelMeaning] | None = None
    """The order in which all materials of this engine read packed channels; None where they choose."""

    @abstractmethod
    def compile_texture(
        self, intent: TextureIntent, present: Mapping[str, Any], version: Version
    ) -> dict[str, Any]:
        """The options, in the engine's exact names, that have to change so that `present` becomes `intent`.

        Only options that this version knows; empty where nothing has to change.
        """

    @abstractmethod
    def read_texture(self, options: Mapping[str, Any], version: Version) -> TextureIntent:
        """What `options` say, as an intent; `read(present | compile(intent, present))` holds the
        part of `intent` that lies in `texture_fields` and that the engine can express (`expressible`)."""

    @abstractmethod
    def expressible(self, intent: TextureIntent, version: Version) -> TextureIntent:
        """The part of `intent` that this version's import settings can hold."""

    def gpu_format(
        self, intent: TextureIntent, facts: ImageFacts, platform: Platform, version: Version
    ) -> GpuFormat | None:
        """How a texture with these settings lies in the GPU's memory; None where that isn't known.

        `intent` is what all its settings say, as `read_texture` gives it.
        """
        return usual_format(intent, facts, platform)

    def gpu_memory(
        self, options: Mapping[str, Any], facts: ImageFacts, platform: Platform, version: Version
    ) -> int | None:
        """The bytes of a GPU's memory that a texture with these options takes; None where that isn't known.

        For an engine whose options say more of that than an intent does, as a format by its name.
        """
        intent = self.read_texture(options, version)
        form = self.gpu_format(intent, facts, platform, version)
        if form is None:
            return None
        if form not in get_args(GpuFormat):
            raise ContractViolation(
                f"{self.name}: gpu_format returned {form!r:.80} instead of a GpuFormat or None"
            )
        width, height = limited(facts.width, facts.height, intent.max_size or 0)
        return texture_bytes(form, width, height, bool(intent.mipmaps))

    def platform_options(
        self, options: Mapping[str, Any], version: Version
    ) -> Mapping[str, Mapping[str, Any]]:
        """The options that hold on single platforms, where these undo the compression that the rest have; by
        the platform's name, for people.

        `read_texture` reads each, and what `compile_texture` makes of it changes that platform alone.
        """
        return {}

    def remarks(
        self, options: Mapping[str, Any], facts: ImageFacts, used_as: Collection[Kind], version: Version
    ) -> Iterable[Remark]:
        """What a project's audit says of a texture with these options, beside what it says of all.

        `used_as` is what `ProjectSupport.uses` says of it.
        """
        return ()

    @property
    def project(self) -> ProjectSupport | None:
        """Reads and writes the engine's projects; None where that can't be done without an editor."""
        return self.editor

    @property
    def editor(self) -> EditorSupport | None:
        """Installs the editor's side into projects; None where there is none."""
        return None

    @property
    def addon(self) -> Addon | None:
        """The side that `editor` installs now. An editor that has another version of it is told to install it
        anew; None where nobody is."""
        return None


class Addon(Struct, frozen=True):
    """An editor's side, as it names itself in `identify.client`."""

    name: str
    """The same for all its versions: of a client with another name nothing is said."""
    version: str
    """PEP 440; what follows a `+` may tell the files of one release from those of another."""


class SessionView(Struct, frozen=True):
    """What an advisor may know of a session."""

    id: str
    """The session's id; it stays when the editor reconnects."""
    project: str
    """The project's id; rules and receipts are kept by it."""
    project_name: str
    """What people call the project."""
    root: Path | None
    """The project's folder on this machine; None if the editor didn't name it."""
    adapter: Adapter | None
    """What serves the editor's engine; None if nothing does, or if the client is no editor."""
    version: Version | None
    """The engine's version; None where `adapter` is."""
    locale: str
    """BCP 47, for example `de` or `zh-CN`; `en` if the client didn't say."""
    workspace: str = ""
    """Equal for editors that have the same project open on this machine by the same engine, in versions that
    begin with the same number: each shows the popups of all, and whoever answers one first answers it for
    all. Empty where nobody shares any."""


class RunResult(Struct, frozen=True):
    """A workload's result; files are blobs by name."""

    value: Any
    """What the workload gave, as plain types."""
    blobs: Mapping[str, str]
    """The SHA-256 of each output file, by the workload's name for it."""


class Context(Protocol):
    """What the bridge does for an advisor.

    While the daemon's database can't be read or written, whatever needs it waits until it can, except where
    somebody asks and waits (`Advisor.on_ask`): they are told to ask again. For what nobody can read any more,
    as a damaged file has it, nobody waits: RequestError `store_unavailable`.
    """

    settings: Mapping[str, Any]
    """The values of all settings, by name."""

    async def run(
        self,
        workload: str,
        params: Mapping[str, Any],
        paths: Sequence[Path],
        *,
        names: Sequence[str] = (),
        priority: str = "interactive",
    ) -> RunResult:
        """Runs a workload on files. `names` is what errors call them. Raises RequestError."""

    async def popup(self, session: SessionView, popup: Popup, state: Any) -> int:
        """Shows `popup` and keeps `state`, of plain types or Structs, for its answer, which has the plain
        types; gives the popup's id.

        The `id` in `popup` is passed over (write 0): the bridge gives each popup one of its own.
        Both outlive the daemon: whoever answers tomorrow is answered. Raises ValueError for a popup with a
        field that no editor could read, such as a `body` of more than 32,768 characters, and TypeError for
        what is none. For a `state` that can't be kept it raises TypeError, ValueError or OverflowError.
        """

    async def open_popups(self, session: SessionView) -> Sequence[tuple[Popup, Any]]:
        """This advisor's popups in the session's workspace that nobody has answered yet, oldest first, and
        their states.

        An earlier run of the daemon may have shown them.
        """

    async def close_popup(self, session: SessionView, popup_id: int) -> None:
        """Withdraws an open popup: it is closed as `superseded`, and nobody answers it."""

    async def command(
        self, session: SessionView, name: str, args: Mapping[str, Any], *, note: AnyText
    ) -> int:
        """Sends a command that changes something, with a receipt; gives the receipt's id at once.

        The command and the receipt outlive the daemon. `note` says why, for `popbridge receipts`. Raises
        ValueError for `args` that aren't of plain types.
        """

    async def earlier_command(self) -> int | None:
        """In the place of a `command` that an answer, acted on once more, has no reason for any more: the
        receipt of the one that was sent there the first time, None where none was.

        Commands and popups of an answer are found by their order (`beside`): this keeps the place of one.
        """

    async def receipt(self, receipt_id: int) -> Mapping[str, Any]:
        """Waits until the editor has answered and gives the receipt: `state` (applied or failed), `before`,
        `after`, `errors`."""

    async def revert(self, receipt_ids: Sequence[int], *, editor: str = "") -> Sequence[int]:
        """Puts back what receipts changed, in the editor; gives the new receipts. Raises RequestError.

        What isn't any more as the change left it stays, and the new receipt's `errors` name it, if the editor
        heeds `expected`; an older one overwrites it.

        While a popup is answered, the editor that it was answered in does it, if it shows the project; else
        the one that made the change, if its session is there. Otherwise the one whose session `editor` is
        does; without `editor` the one that made the change, or the one that asks, or the only one that has
        the project open. What was put back before is refused; an answer puts back what is left of several.
        """

    async def rules(self, session: SessionView) -> Mapping[str, Sequence[str]]:
        """What the person wants always, by folder of the project; empty while its file can't be read."""

    async def add_rule(self, session: SessionView, folder: str, finding: str) -> None:
        """From now on `finding` is settled without asking in `folder` and below.

        Kept in the project's `popbridge.toml`. A plugin's own finding has a dot in its code, as `acme.seams`.
        Raises RequestError where that can't be read or written, or for a code or folder that it takes for a
        mistake.
        """

    def beside(self) -> Context:
        """For what isn't part of the answer that is being acted on, such as another look at a file.

        Commands and popups of the answer itself aren't made a second time if it is acted on once more, after
        the daemon was killed, as they are found by their order: others must not stand among them.
        """

    async def note(self, session: SessionView, marks: Collection[bytes]) -> None:
        """Keeps marks of this advisor in the session's project, which outlive the daemon.

        What a mark stands for is the advisor's affair, best by a short digest: that something was said of a
        file as it is, for example. Of 100,000 the earliest are forgotten.
        """

    async def noted(self, session: SessionView) -> Set[bytes]:
        """This advisor's marks in the session's project. Thousands take milliseconds: remember them."""


class Advisor(ABC):
    """A flow in the daemon: events come in, popups and commands go out.

    State between a popup and its answer is what `Context.popup` keeps, never an attribute: the daemon
    may be another by then.
    """

    name: str
    """Unique among all advisors; popups are kept by it, so that it must not change."""
    events: tuple[str, ...] = ()
    """Names of the events that it watches."""
    asks: tuple[str, ...] = ()
    """Names under which clients may ask it, as if it were a workload."""

    @abstractmethod
    async def on_event(self, context: Context, session: SessionView, event: Event) -> None:
        """An editor, of any engine (`session.adapter.engine`), reported something that this advisor watches.
        Raises RequestError."""

    @abstractmethod
    async def on_answer(
        self, context: Context, session: SessionView, popup: Popup, state: Any, answer: Answer
    ) -> None:
        """A person answered, dismissed or let expire one of this advisor's popups, in `session`: perhaps in
        another editor of the same workspace than it was shown for."""

    async def on_ask(
        self, context: Context, session: SessionView, name: str, params: Mapping[str, Any]
    ) -> Any:
        """A client asked under one of `asks`; gives the value of the result, of plain types. Raises
        RequestError."""
        raise AssertionError(f"{self.name} declares {name} but doesn't answer it")
