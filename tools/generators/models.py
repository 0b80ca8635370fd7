"""docs/reference/models.md: the models that workloads use, from their records."""

from __future__ import annotations

from pathlib import Path

from accel.models.catalog import MODELS
from accel.models.download import SILENT_S, TRIES
from accel.models.manifest import File, Graph, Hub, Model, Shipped, Source, Tensor, Url, Wheel
from bridge.commands.models import size_text
from tools.generators import _markdown

TARGET = Path("docs/reference/models.md")


def files() -> dict[Path, str]:
    notice = _markdown.NOTICE.format(source="accel/models/catalogue.py")
    rows = (
        (f"[{model.name}](#{model.name})", model.task, _names(model.used_by), model.licence, _size(model))
        for model in MODELS.values()
    )
    names = _markdown.table(("model", "what it does", "used by", "licence", "size"), rows)
    models = "\n\n".join(map(_model, MODELS.values()))
    waits = {"silent": f"{SILENT_S:.0f}", "tries": TRIES}
    return {
        TARGET: _markdown.fill("models.md", {"notice": notice, "names": names, "models": models, **waits})
    }


def _size(model: Model) -> str:
    return "shipped" if model.shipped else size_text(model.size)


def _model(model: Model) -> str:
    licence = f"Licence: {model.licence} ({model.licence_source})."
    if model.opt_in:
        licence += " It is pulled only with `--accept-unclear-licence`."
    head = [f"## {model.name}", f"{model.task}. Version {model.version}.", licence]
    return "\n\n".join(filter(None, [*head, model.notes, *map(_file, model.files)]))


def _file(file: File) -> str:
    lines = [f"`{file.name}`, {file.size:,} bytes, SHA-256 `{file.sha256}`."]
    made = f", converted from {file.conversion}" if file.conversion else ""
    lines += [f"- From {_source(source)}{made}." for source in file.sources]
    if file.graph is not None:
        lines += _graph(file.graph)
    return "\n".join([lines[0], "", *lines[1:]])


def _source(source: Source) -> str:
    match source:
        case Shipped():
            return "the program itself"
        case Wheel():
            return f"the wheel `{source.project}` {source.version}: {_names(source.paths)}"
        case Url():
            return f"{source.base}: {_names(source.paths)}"
        case Hub():
            return f"the hub's `{source.repository}` at `{source.revision}`: {_names(source.paths)}"


def _graph(graph: Graph) -> list[str]:
    lines = [
        f"- Input: {', '.join(map(_tensor, graph.inputs))}.",
        f"- Output: {', '.join(map(_tensor, graph.outputs))}.",
    ]
    if graph.pixels is not None:
        p = graph.pixels
        channels = f", less {_numbers(p.mean)}, by {_numbers(p.deviation)}" if any(p.mean) else ""
        lines.append(f"- Pixels: 8 bit values times {p.scale:.6g}{channels}; {p.order}, {p.layout}.")
    most = graph.batching.most
    order = f", sorted by {graph.batching.sort_by}" if graph.batching.sort_by else ""
    lines.append(f"- On the CPU: {'one at a time' if most == 1 else f'up to {most} at once{order}'}.")
    return lines


def _tensor(tensor: Tensor) -> str:
    return f"`{tensor.name}` {tensor.dtype} [{', '.join(map(str, tensor.shape))}]"


def _numbers(values: tuple[float, ...]) -> str:
    return " / ".join(f"{value:g}" for value in values) if len(set(values)) > 1 else f"{values[0]:g}"


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
