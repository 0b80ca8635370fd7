"""`popbridge run`: the command line and the checks of its options."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from accel.text import text
from bridge.commands import options
from bridge.commands.options import STDOUT, RunOptions, assignments
from bridge.commands.terminal import say
from bridge.core.errors import UserError

EXAMPLES = """\b
Examples:
  popbridge run image.inspect textures/*.png
  popbridge run image.inspect rock.png --json
  popbridge run image.thumbnail textures -r --param size=128 --out thumbs
  popbridge run image.convert textures -r --param format=webp --out web --resume
  popbridge run image.compress textures -r -o gpu --param-for '*_n.png' kind=normal
  popbridge run image.resize+image.compress rock.png --out small \\
    --param resize.width=512 --param compress.format=bc7
Steps joined by + run one after the other, without files in between. Name the
step of a parameter (`resize.width`, or `1.width`) unless only one step has it.
`popbridge workloads` lists the workloads, `popbridge workloads NAME` the
parameters of one."""


@click.command(epilog=EXAMPLES)
@click.argument("workload", metavar="WORKLOAD[+STEP...]", shell_complete=options.steps)
@click.argument("files", nargs=-1, metavar="[FILE...]", shell_complete=options.files)
@click.option(
    "--param",
    "params",
    multiple=True,
    metavar="[STEP.]NAME=VALUE",
    shell_complete=options.parameters,
    help="A parameter, as JSON or text; repeatable.",
)
@click.option(
    "--param-for",
    "params_for",
    multiple=True,
    nargs=2,
    metavar="PATTERN [STEP.]NAME=VALUE",
    help="A parameter for the FILEs that match a pattern, such as '*_n.png'; repeatable.",
)
@click.option(
    "--out", "-o", "folder", type=click.Path(file_okay=False), help="Folder for output files; - is stdout."
)
@click.option("--dry-run", is_flag=True, help="Show the results, but write no files.")
@click.option("--name", metavar="NAME", help="Name of the outputs of a single job, without extension.")
@click.option("--recursive", "-r", is_flag=True, help="Process all images in a FILE that is a folder.")
@click.option(
    "--together/--each", default=None,
    help="Process all FILEs as one job, or one by one; default: as the workload prefers.",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Skip files that are up to date.")
@click.option(
    "--force", is_flag=True, help="Also overwrite files that no earlier run wrote, but never an input."
)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON per file.")
@click.option("--quiet", "-q", is_flag=True, help="Print failures only.")
@click.option("--workers", "-j", type=click.IntRange(1, 256), help="Worker processes; default: one per core.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, 86_400, min_open=True),
    metavar="SECONDS",
    help="Time limit for one job; default: none.",
)
@click.option("--daemon", is_flag=True, help="Use the running daemon with its warm workers and models.")
def run(
    workload: str, files: tuple[str, ...], params: tuple[str, ...], params_for: tuple[tuple[str, str], ...],
    folder: str | None, dry_run: bool, name: str | None, recursive: bool, together: bool | None, resume: bool,
    force: bool, as_json: bool, quiet: bool, workers: int | None, timeout: float | None, daemon: bool,
) -> int:  # fmt: skip
    """Run a workload on files.

    Runs on each FILE (- is stdin), or on all of them together if the workload takes several. Outputs keep the
    names and folders of their inputs below --out. Inputs are never overwritten, and other files only with
    --force. Where the parameter `kind` is `auto`, the texture classifier decides. Exit code 1 if a
    job failed.
    """
    _check_options(folder, name, resume, workers, daemon)
    _check_stdout(folder, dry_run, [name, resume, force, as_json])
    if files and files[0].startswith("+") and not os.path.lexists(files[0]):
        # The shell made several arguments of `a + b`.
        joined = workload + "".join(files[:2] if files[0] == "+" else files[:1])
        raise UserError(text("Join steps without spaces around the +: {steps}.", steps=joined))
    run_options = RunOptions(
        None if folder is None or dry_run else Path(folder),
        resume,
        force,
        as_json,
        daemon,
        timeout,
        quiet=quiet,
        to_stdout=folder == STDOUT and not dry_run,
        dry_run=dry_run,
    )
    # It needs numpy, which `--help` and completion do without.
    from bridge.commands.run.runner import run_files

    return run_files(
        workload,
        files,
        assignments(params, "--param"),
        [(pattern, assignments([pair], "--param-for")) for pattern, pair in params_for],
        run_options,
        name=name,
        recursive=recursive,
        together=together,
        workers=workers,
    )


def _check_options(
    out: str | None, name: str | None, resume: bool, workers: int | None, daemon: bool
) -> None:
    """Raises click.UsageError."""
    if out is None and (resume or name is not None):
        raise click.UsageError(
            say(text("{option} needs --out FOLDER.", option="--resume" if resume else "--name"))
        )
    if out == "":
        # Python takes it for the current folder, but a script passes it when its variable is unset.
        raise click.UsageError(say(text("--out is empty. Give a folder, or . for the current folder.")))
    if name is not None and (not name or Path(name).name != name):
        raise click.UsageError(say(text("--name takes a name without folders; --out sets the folder.")))
    if name is not None and sys.platform == "win32" and not _is_windows_name(name):
        raise click.UsageError(say(text("Windows doesn't allow the file name {name}.", name=name)))
    if daemon and workers is not None:
        raise click.UsageError(say(text("--workers has no effect with --daemon.")))


def _check_stdout(out: str | None, dry_run: bool, others: Sequence[object]) -> None:
    """Raises click.UsageError for options that contradict `--out -`, and a terminal that would get a file."""
    if out != STDOUT or dry_run:
        return
    if any(others):
        raise click.UsageError(say(text("--out - takes no --name, --resume, --force or --json.")))
    if sys.stdout.isatty():
        raise click.UsageError(say(text("--out - would print a file on the terminal. Redirect it.")))


def _is_windows_name(name: str) -> bool:
    # Only Windows pays for its import.
    from bridge.server.project_paths import is_name

    # The extension that follows doesn't change a device's name, but protects a dot at the end.
    return is_name(f"{name}.png")
