"""What a shell completes: names of workloads and their parameters, of models and of engines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from accel.workload import Workload


def workloads(context: click.Context, param: click.Parameter, typed: str) -> list[str]:
    """Of one name."""
    from bridge import host

    return [name for name in sorted(host.load().workloads) if name.startswith(typed)]


def steps(context: click.Context, param: click.Parameter, typed: str) -> list[str]:
    """Of the last of several that are joined by `+`."""
    before, plus, last = typed.rpartition("+")
    return [f"{before}{plus}{name}" for name in workloads(context, param, last)]


def parameters(context: click.Context, param: click.Parameter, typed: str) -> list[str]:
    """`NAME=` of the workload that is typed already; of several steps with the step in front."""
    from bridge import host

    known = host.load().workloads
    # Where an option lacks its value still, click leaves all arguments apart.
    workload = context.params.get("workload") or next(iter(context.args), "")
    found = [known[name] for name in str(workload).split("+") if name in known]
    return [f"{each}=" for each in _parameters(found) if f"{each}=".startswith(typed)]


def _parameters(found: Sequence[Workload]) -> Iterator[str]:
    import msgspec

    for workload in found:
        step = f"{workload.name.rpartition('.')[2]}." if len(found) > 1 else ""
        yield from (f"{step}{field.encode_name}" for field in msgspec.structs.fields(workload.params))


def files(context: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """Which the shell knows best."""
    return [CompletionItem(typed, type="file")]


def models(context: click.Context, param: click.Parameter, typed: str) -> list[str]:
    """All that there are, on this machine or not."""
    from accel.models.catalogue import MODELS

    return sorted(name for name in MODELS if name.startswith(typed))


def engines(context: click.Context, param: click.Parameter, typed: str) -> list[str]:
    """Those whose editors have an addon."""
    from bridge import host

    names = {adapter.engine for adapter in host.load().adapters if adapter.editor is not None}
    return sorted(name for name in names if name.startswith(typed))
