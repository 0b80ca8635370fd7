"""The API for plugins. Everything outside this module may change without notice."""

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
from accel.texture.naming import is_auxiliary_property, property_kinds
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
from bridge.client.client import (
    Client,
    OnCommand,
    OnEvent,
    OnPopup,
    OnPopupClose,
    OnPopupProgress,
    OnProgress,
)
from bridge.core.errors import UNSUPPORTED, ContractViolation, ErrorCode, RequestError, UserError
from bridge.core.messages import (
    Action,
    Answer,
    Choice,
    ClientMessage,
    Command,
    Event,
    Field,
    InputRef,
    Popup,
    PopupClose,
    PopupItem,
    PopupProgress,
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
    MipGeneration,
    NormalConvention,
    Platform,
    PlatformOverride,
    Severity,
    TextureIntent,
    TextureShape,
    TextureUse,
    TextureUses,
    UseBasis,
    UseDomain,
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
    checkout_problem,
    is_hidden,
    is_link,
    is_merged,
    read_text,
    walk,
)
from bridge.project.safe_files import ProjectFolder, write_text
from bridge.project.shader_source import Reads, texture_reads, without_comments
from bridge.project.support import (
    AddonInstaller,
    AssetChange,
    BatchEditor,
    EditorCamera,
    EditorCommand,
    EditorReport,
    EditorSupport,
    EditorTexture,
    EditorUse,
    HeadlessEditor,
    PixelSource,
    ProjectSupport,
    Remark,
    TextureAsset,
)
from bridge.project.transaction import Transaction

__all__ = [
    "UNSUPPORTED",
    "Action",
    "Adapter",
    "Addon",
    "AddonInstaller",
    "Advisor",
    "AlphaUse",
    "Answer",
    "AnyText",
    "AssetChange",
    "BatchEditor",
    "Batching",
    "Block",
    "Cancelled",
    "ChannelMeaning",
    "Choice",
    "Client",
    "ClientMessage",
    "ColorSpace",
    "Command",
    "Compose",
    "Compression",
    "Context",
    "Described",
    "EditorCamera",
    "EditorCommand",
    "EditorReport",
    "EditorSupport",
    "EditorTexture",
    "EditorUse",
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
    "MipGeneration",
    "Multiplied",
    "NormalConvention",
    "OnCommand",
    "OnEvent",
    "OnPopup",
    "OnPopupClose",
    "OnPopupProgress",
    "OnProgress",
    "Operate",
    "Operated",
    "Operation",
    "OptionLabel",
    "Output",
    "OutputFile",
    "Params",
    "PixelKind",
    "PixelSource",
    "Platform",
    "PlatformOverride",
    "Popup",
    "PopupClose",
    "PopupItem",
    "PopupProgress",
    "ProjectFolder",
    "ProjectInfo",
    "ProjectSupport",
    "Raster",
    "Reading",
    "Reads",
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
    "TextureShape",
    "TextureUse",
    "TextureUses",
    "Transaction",
    "Transfer",
    "UseBasis",
    "UseDomain",
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
    "checkout_problem",
    "file_error",
    "hookimpl",
    "is_auxiliary_property",
    "is_hidden",
    "is_link",
    "is_merged",
    "limited",
    "operation",
    "part",
    "plural",
    "progress",
    "property_kinds",
    "read_text",
    "remaining_changes",
    "replace_file",
    "text",
    "texture_bytes",
    "texture_reads",
    "tracked",
    "walk",
    "without_comments",
    "workload",
    "write_text",
]  # fmt: skip


class Adapter(ABC):
    """Translates between neutral texture settings and an engine's own, for a range of its versions.

    An adapter itself uses no files and no sockets.
    """

    name: str
    """Unique among all adapters, for example `acme4`."""
    engine: str
    """The engine name that an editor sends in `identify.engine.name`."""
    versions: str
    """PEP 440 specifier of the supported, tested versions."""
    older_versions: str = ""
    """PEP 440 specifier of older versions whose projects it also reads, untested; empty for none."""
    scheme: VersionScheme
    """Parses the engine's version strings."""
    texture_fields: frozenset[str] = frozenset()
    """The fields of `TextureIntent` that this engine's import settings control."""
    srgb_kinds: frozenset[Kind] = frozenset()
    """Data kinds, such as `specular`, that this engine's own materials read as sRGB colours."""
    default_options: Mapping[str, Mapping[str, Any]] = {}
    """The import options of a texture that nobody has changed, by version as the engine prints it.

    Oldest first. An engine's adapters may share the table; each serves the versions in its range.
    """
    resizes: bool = False
    """Whether the engine resizes textures to powers of two on import."""
    packed_channels: Mapping[str, ChannelMeaning] | None = None
    """The channel order that all materials of this engine expect in packed maps; None if they choose."""

    @abstractmethod
    def compile_texture(
        self, intent: TextureIntent, present: Mapping[str, Any], version: Version
    ) -> dict[str, Any]:
        """Returns the options to change, by the engine's exact names, to turn `present` into `intent`.

        Contains only options that this version supports; empty if nothing has to change.
        """

    @abstractmethod
    def read_texture(self, options: Mapping[str, Any], version: Version) -> TextureIntent:
        """Returns the intent that `options` express.

        `read(present | compile(intent, present))` contains every field of `intent` that is in
        `texture_fields` and that the engine can express (`expressible`).
        """

    @abstractmethod
    def expressible(self, intent: TextureIntent, version: Version) -> TextureIntent:
        """Returns the part of `intent` that this version's import settings can express."""

    def detects(self, options: Mapping[str, Any], version: Version) -> Collection[str]:
        """Returns the fields of `TextureIntent` that the engine itself sets once it sees the texture in use.

        `kind` counts as seen once a material reads it so, the others once an editor draws it in 3D.
        """
        return ()

    def gpu_format(
        self, intent: TextureIntent, facts: ImageFacts, platform: Platform, version: Version
    ) -> GpuFormat | None:
        """Returns a texture's format in GPU memory; None if unknown.

        `intent` is the result of `read_texture` for all its settings.
        """
        return usual_format(intent, facts, platform)

    def gpu_memory(
        self, options: Mapping[str, Any], facts: ImageFacts, platform: Platform, version: Version
    ) -> int | None:
        """Returns a texture's size in GPU memory, in bytes; None if unknown.

        Override it if the engine's options are more precise than an intent, as when they name a format.
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
        """Returns options of platforms that override the default compression, by the platform's display name.

        `read_texture` must accept each, and `compile_texture` must change only that platform's options.
        """
        return {}

    def remarks(
        self, options: Mapping[str, Any], facts: ImageFacts, used_as: Collection[Kind], version: Version
    ) -> Iterable[Remark]:
        """Returns engine-specific findings about a texture, in addition to the common ones.

        `used_as` is the texture's value in `ProjectSupport.uses`.
        """
        return ()

    def option_labels(self, version: Version, locale: str) -> Mapping[str, OptionLabel]:
        """Returns how the engine's editor shows the import options, by their names.

        `locale` is BCP 47, such as `zh-CN`; use English for languages without labels. An option or value that
        is missing is shown by its raw name.
        """
        return {}

    @property
    def project(self) -> ProjectSupport | None:
        """Reads and writes the engine's projects; None if that needs an editor."""
        return self.editor

    @property
    def pixel_source(self) -> PixelSource | None:
        """Finds pixels that the editor reports neither as a file nor as a blob; None if nothing can."""
        return None

    @property
    def editor(self) -> EditorSupport | None:
        """Installs the addon, creates projects and runs editors, as the demo does; None if nothing can."""
        return None

    @property
    def installer(self) -> AddonInstaller | None:
        """Installs the editor addon into projects; None if there is none."""
        return self.editor

    @property
    def batch_editor(self) -> BatchEditor | None:
        """Runs an editor for `popbridge audit --with-editor`; None if there is no way."""
        return None

    @property
    def addon(self) -> Addon | None:
        """The addon that `editor` installs; editors with another version are asked to update, unless None."""
        return None


class OptionLabel(Struct, frozen=True):
    """An import option as people see it in the engine's editor."""

    name: str
    """With the headings above it: `Compress › Mode`."""
    values: Mapping[Any, str] = {}
    """The labels of its values, such as `{0: "Lossless"}`; switches don't need any."""


class Addon(Struct, frozen=True):
    """An editor addon, as it identifies itself in `identify.client`."""

    name: str
    """The same for all versions. Clients with other names aren't asked to update."""
    version: str
    """PEP 440. A local part after `+` can distinguish builds of one release."""
    files: Mapping[str, str] = {}
    """The SHA-256 in hex of each installed file, by its path in the project, with `\\n` as line break.

    If an editor's files differ, its user is told that they were changed; empty to compare none.
    """
    sidecars: tuple[str, ...] = ()
    """Extensions of files that the engine writes beside these, such as `.uid`."""


class SessionView(Struct, frozen=True):
    """Describes a session to advisors."""

    id: str
    """The session's id; unchanged when the editor reconnects."""
    project: str
    """The project's id; rules and receipts belong to it."""
    project_name: str
    """The project's display name."""
    root: Path | None
    """The project's folder on this machine; None if the editor didn't send it."""
    adapter: Adapter | None
    """The adapter for the editor's engine; None if there is none or the client isn't an editor."""
    version: Version | None
    """The engine's version; None if `adapter` is."""
    locale: str
    """BCP 47, such as `de` or `zh-CN`; `en` if the client didn't send one."""
    workspace: str = ""
    """Identifies editors that share popups: same project, machine, engine and major version.

    Each of them shows every popup, and the first answer counts for all. Empty if popups aren't shared.
    """


class RunResult(Struct, frozen=True):
    """A workload's result; its files are stored as blobs."""

    value: Any
    """The returned value, as plain types."""
    blobs: Mapping[str, str]
    """The SHA-256 of each output file, by the file's name in the workload."""


class Context(Protocol):
    """The daemon's services for advisors.

    While the database can't be read or written, methods that need it wait. Two cases don't wait: in
    `Advisor.on_ask` the client is asked to retry, and damaged records raise RequestError `store_unavailable`.
    """

    settings: Mapping[str, Any]
    """The values of all settings, by name."""

    async def run(
        self,
        workload: str,
        params: Mapping[str, Any],
        paths: Sequence[Path | bytes | str],
        *,
        names: Sequence[str] = (),
        priority: str = "interactive",
    ) -> RunResult:
        """Runs a workload on files, on the bytes of files, or on blobs, named by their SHA-256.

        Errors refer to them by `names`. Raises RequestError: `not_found` if a blob isn't there any more.
        """

    async def may_read(self, session: SessionView, file: Path) -> bool:
        """Whether the session's user has registered a folder above a file, which may be outside the
        project."""

    async def notify(self, session: SessionView, name: str, data: Mapping[str, Any]) -> None:
        """Sends an event to the session's editor, which ignores it if it doesn't know its name."""

    async def popup(
        self,
        session: SessionView,
        popup: Popup,
        state: Any,
        *,
        textures: Collection[str] | None = None,
        delay_s: float = 0.0,
    ) -> int:
        """Shows `popup`, after `delay_s` seconds, stores `state` with it and returns the popup's id.

        `state` consists of plain types or Structs; `Advisor.on_answer` gets it back as plain types.
        `popup.id` is ignored (write 0). Popup and state survive restarts of the daemon, which show a delayed
        popup at once. `popup.items` may be long: the daemon sends them as a blob if a frame can't hold them.

        `textures` are the paths of the textures that it asks about, as in `asset.imported`; by default, in
        `on_event`, those of the event. While it is open, no other advisor can ask about them: that one's call
        raises RequestError `claimed`, and it gets an `asset.imported` with them once this popup is closed.
        Commands of the answer change only textures that are still as the event reported them.

        Raises TypeError if `popup` isn't a Popup, ValueError if a field breaks the protocol's limits, such as
        a `body` of more than 32,768 characters or two items with one id, and TypeError, ValueError or
        OverflowError if `state` can't be encoded.
        """

    async def popup_progress(
        self, session: SessionView, popup_id: int, fraction: float, message: str = ""
    ) -> None:
        """Shows how far the work on a popup is, 0 to 1, while its answer is carried out or it is open."""

    async def claimed(self, session: SessionView, paths: Collection[str]) -> Set[str]:
        """Returns those of `paths` that open popups of other advisors ask about.

        Once such a popup is closed, this advisor gets an `asset.imported` with its textures.
        """

    async def open_popups(self, session: SessionView) -> Sequence[tuple[Popup, Any]]:
        """Returns this advisor's unanswered popups in the session's workspace, oldest first, with states.

        They include popups from before a restart of the daemon.
        """

    async def close_popup(self, session: SessionView, popup_id: int) -> None:
        """Closes an open popup with the reason `superseded`; it gets no answer."""

    async def command(
        self, session: SessionView, name: str, args: Mapping[str, Any], *, note: AnyText
    ) -> int:
        """Sends a command that changes the project; returns the id of its receipt without waiting.

        Command and receipt survive restarts of the daemon. `note` gives the reason in `popbridge receipts`.
        Raises ValueError if `args` aren't plain types.

        For `texture.apply` the daemon adds to each change `expected`, the values in the event that the advice
        was made from, unless the change has its own. Textures that differ now, or whose file changed, stay
        unchanged; the receipt's `errors` say why, and all advisors get an `asset.imported` with them.
        """

    async def previous_command(self) -> int | None:
        """Returns the receipt of the command that an earlier run of `on_answer` sent at this place, or None.

        Call it instead of `command` if, when an answer is processed again after a crash, the command is no
        longer needed. Commands and popups of an answer are identified by their order (see
        `outside_answer`); this call counts as one.
        """

    async def receipt(self, receipt_id: int) -> Mapping[str, Any]:
        """Waits for the editor's answer; returns the receipt: `state` (applied or failed), `before`, `after`,
        `errors`.

        `before` and `after` of textures are what the daemon read in the project's files, as far as it can;
        what isn't as asked for is in `errors`, whatever the editor answered.
        """

    async def revert(self, receipt_ids: Sequence[int], *, editor: str = "") -> Sequence[int]:
        """Reverts changes in the editor; returns the new receipts. Raises RequestError.

        Values that were edited since the change stay and are listed in the new receipt's `errors`. Old addons
        that don't support `expected` overwrite them.

        In `on_answer`, the editor that sent the answer reverts if it has the project open, else the editor
        that made the change if it is connected. Elsewhere it is the session `editor`; if that is empty, the
        editor that made the change, the one that asks, or the only one with the project open. A change that
        was already reverted is refused; in `on_answer`, such changes are skipped if others remain.
        """

    async def rules(self, session: SessionView) -> Mapping[str, Sequence[str]]:
        """Returns the project's rules: finding codes by folder. Empty if the file can't be read."""

    async def add_rule(self, session: SessionView, folder: str, finding: str) -> None:
        """Adds a rule: `finding` is fixed without asking in `folder` and below.

        The rule is stored in the project's `popbridge.toml`. Codes of plugins contain a dot, such as
        `acme.seams`. Raises RequestError if the file can't be read or written, or if the code or folder is
        invalid.
        """

    async def remove_rules(self, session: SessionView, rules: Mapping[str, Sequence[str]]) -> None:
        """Removes rules, finding codes by folder, such as those that an undone answer added.

        Rules that no longer exist are skipped. Raises RequestError if the file can't be read or written.
        """

    def outside_answer(self) -> Context:
        """Returns a context for work that isn't part of the current answer, such as checking a file again.

        If the daemon is killed, an answer is processed again. Its commands and popups are identified by their
        order and so aren't sent twice; send any others through this context to keep that order stable.
        """

    async def note(self, session: SessionView, marks: Collection[bytes]) -> None:
        """Stores marks of this advisor for the session's project; they survive restarts of the daemon.

        The advisor defines their meaning, for example a short digest of a file that it has reported. At most
        100,000 are stored; the oldest are deleted first.
        """

    async def marks(self, session: SessionView) -> Set[bytes]:
        """Returns this advisor's marks for the session's project. Cache them: thousands take milliseconds."""


class Advisor(ABC):
    """Handles events in the daemon with popups and commands.

    Pass state from a popup to its answer through `Context.popup`, never in attributes: the daemon may restart
    in between.
    """

    name: str
    """Unique among all advisors. Stored popups refer to it, so it must not change."""
    events: tuple[str, ...] = ()
    """Names of the events that it handles: those of editors, and `change.reverted` of the daemon, whose data
    are the ids of the reverted change (`receipt`) and of the revert (`by`)."""
    asks: tuple[str, ...] = ()
    """Names of requests that it answers; clients send them like workloads."""
    rights: Mapping[str, str] = {}
    """The right (docs/reference/access.md) that a client needs for one of `asks`; `run` for the others.
    Commands that an answer leads to need `change` in any case."""

    @abstractmethod
    async def on_event(self, context: Context, session: SessionView, event: Event) -> None:
        """Handles an event from an editor of any engine (`session.adapter.engine`). Raises RequestError."""

    @abstractmethod
    async def on_answer(
        self, context: Context, session: SessionView, popup: Popup, state: Any, answer: Answer
    ) -> None:
        """Handles an answered, dismissed or expired popup of this advisor.

        For a popup with items, `answer.checked` has the ids of exactly the leaves that are ticked, whether
        the editor named them, named rows above them, or shows no lists. `answer.choices` likewise has the
        ticked choices of the action. `popup.items` may be empty here: see `items_blob`.

        `session` is the editor that answered, which may be another one in the same workspace.
        """

    async def on_ask(
        self, context: Context, session: SessionView, name: str, params: Mapping[str, Any]
    ) -> Any:
        """Answers a client's request `name`, one of `asks`, with plain types, or a RunResult with them and
        files of `Context.run`, by the names that the client gets. Raises RequestError."""
        raise AssertionError(f"{self.name} declares {name} but doesn't answer it")
