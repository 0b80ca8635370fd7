"""`popbridge explain`: why textures were judged as they were."""

from __future__ import annotations

import click

from bridge.commands.audit import default_locale
from bridge.commands.options import as_json

EXAMPLES = """\b
Examples:
  popbridge explain game/textures/rock_n.png
  popbridge explain res://textures/rock_n.png
  popbridge explain --json game/textures/*.png
To fix what it lists, use `popbridge audit FILE --fix`."""


@click.command(epilog=EXAMPLES)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path())
@as_json
@click.option("--no-names", is_flag=True, help="Don't use file and folder names as evidence.")
@click.option("--no-cache", is_flag=True, help="Examine every file again.")
@click.option(
    "--locale", type=click.Choice(["en", "zh-CN"]), default=default_locale, show_default="the system's",
    help="Language of the explanation.",
)  # fmt: skip
@click.option("--workers", type=click.IntRange(1, 256), help="Worker processes; default: one per core.")
def explain(
    files: tuple[str, ...], as_json: bool, no_names: bool, no_cache: bool, locale: str, workers: int | None
) -> int:
    """Explain what a texture was judged to be, and why.

    Shows the kind, each piece of evidence with its weight, the findings that were considered and why each was
    or wasn't raised, and what would change the verdict. Exit code 1 if a file couldn't be examined.
    """
    # It needs numpy and pyvips, which `--help` and completion do without.
    from bridge.commands.explain_run import run_explain

    return run_explain(
        files, as_json=as_json, use_names=not no_names, use_cache=not no_cache, locale=locale, workers=workers
    )
