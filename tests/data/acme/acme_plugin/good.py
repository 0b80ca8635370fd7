"""What a third party adds: an adapter of its own engine, a workload, an advisor and a setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bridge.api import (
    Adapter,
    Advisor,
    Answer,
    Context,
    Event,
    Input,
    Item,
    Limits,
    Output,
    Params,
    Popup,
    SessionView,
    Setting,
    TextureIntent,
    VersionScheme,
    Workload,
    WorkloadError,
    batched,
    hookimpl,
    workload,
)


class AcmeAdapter(Adapter):
    """Acme's engine has one option: whether a texture has mipmaps."""

    engine = "acme"
    scheme = VersionScheme("acme", {"beta": "b"})
    texture_fields = frozenset({"mipmaps"})

    def __init__(self, name: str, versions: str) -> None:
        self.name = name
        self.versions = versions

    def compile_texture(
        self, intent: TextureIntent, present: Mapping[str, Any], version: Any
    ) -> dict[str, Any]:
        wanted = intent.mipmaps
        return {} if wanted is None or present.get("mips") == wanted else {"mips": wanted}

    def read_texture(self, options: Mapping[str, Any], version: Any) -> TextureIntent:
        return TextureIntent(mipmaps=options.get("mips"))

    def expressible(self, intent: TextureIntent, version: Any) -> TextureIntent:
        return intent.only(self.texture_fields)


class Nothing(Params):
    """No parameters."""


@workload("acme.size", version=1, params=Nothing)
def size(inputs: Sequence[Input], params: Nothing, limits: Limits) -> Output:
    """The size of a file, bytes."""
    return Output(inputs[0].size())


class Text(Params):
    """What is measured."""

    text: str = ""


@workload("acme.length", version=1, params=Text, inputs=0)
def length(inputs: Sequence[Input], params: Text, limits: Limits) -> Output:
    """The length of a text, characters."""
    return Output(len(params.text))


@batched(length, sample=lambda index: {"text": "x" * index}, max_rows=4)
def lengths(items: Sequence[Item], limits: Limits) -> list[Output | WorkloadError]:
    return [Output(len(item.params.text)) for item in items]


class Greeter(Advisor):
    """Answers when it is asked."""

    name = "acme.greeter"
    asks = ("acme.greet",)

    async def on_event(self, context: Context, session: SessionView, event: Event) -> None: ...

    async def on_answer(
        self, context: Context, session: SessionView, popup: Popup, state: Any, answer: Answer
    ) -> None: ...

    async def on_ask(
        self, context: Context, session: SessionView, name: str, params: Mapping[str, Any]
    ) -> Any:
        return "hello"


@hookimpl
def popbridge_adapters() -> list[Adapter]:
    return [AcmeAdapter("acme1", ">=1,<2"), AcmeAdapter("acme2", ">=2,<3")]


@hookimpl
def popbridge_workloads() -> list[Workload]:
    return [size.workload, length.workload]


@hookimpl
def popbridge_advisors() -> list[Advisor]:
    return [Greeter()]


@hookimpl
def popbridge_settings() -> list[Setting]:
    return [Setting(name="acme.volume", type=int, default=11, help="How loud.")]
