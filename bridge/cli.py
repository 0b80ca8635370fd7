"""The `popbridge` command: its subcommands are loaded when they are used."""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
import sys
from collections.abc import Sequence

import click
from click.exceptions import NoArgsIsHelpError

from bridge.audit.plain import plain_lines
from bridge.core.errors import RequestError, UserError

COMMANDS = {
    "audit": "bridge.commands.audit:audit",
    "config": "bridge.commands.listing:config",
    "db": "bridge.commands.db:db",
    "demo": "bridge.commands.daemon:demo",
    "devices": "bridge.commands.devices:devices",
    "install": "bridge.commands.install:install",
    "models": "bridge.commands.models:models",
    "plugins": "bridge.commands.listing:plugins",
    "receipts": "bridge.commands.receipts:receipts",
    "revert": "bridge.commands.receipts:revert",
    "run": "bridge.commands.run.command:run",
    "serve": "bridge.commands.daemon:serve",
    "status": "bridge.commands.status:status",
    "top": "bridge.commands.top:top",
    "tune": "bridge.commands.tune:tune",
    "workloads": "bridge.commands.listing:workloads",
}

MISTAKES = frozenset(
    {"ambiguous_editor", "bad_input", "bad_params", "forbidden", "key_reused", "not_found", "too_large",
     "unknown_workload", "unsupported"}
)  # fmt: skip
"""The errors of a daemon that whoever asked can mend by asking otherwise."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says where nothing more fits on a disk."""


class ReaderLeft(Exception):
    """Whoever reads has read enough, as in `popbridge receipts | head`."""


class LazyGroup(click.Group):
    """A group whose commands are imported one at a time."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        target = COMMANDS.get(cmd_name)
        if target is None:
            return None
        module, _, name = target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (OSError, SystemExit) as error:
            if _reader_left(error):
                # click would end the process, with 1.
                raise ReaderLeft from None
            raise


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="popbridge", prog_name="popbridge")
def cli() -> None:
    """A bridge between game-engine editors and a core that works on images."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; gives the exit code: 2 for what its user can mend, 1 where something failed.

    An output that doesn't arrive is 2: several commands say by 1 what they found.
    """
    _have_outputs()
    _speak_utf8()
    try:
        # Commands expand patterns themselves, and take a file that is called like one for that file.
        code = cli.main(arguments, prog_name="popbridge", standalone_mode=False, windows_expand_args=False)
    except UserError as error:
        return _complain(str(error), 2)
    except RequestError as error:
        return _complain(f"{error.message} {error.hint}".strip(), 2 if error.code.name in MISTAKES else 1)
    except NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        return _complain(_sentence(error), 2)
    except (click.Abort, KeyboardInterrupt):
        return 130
    except ReaderLeft:
        # Nothing may be written at exit either.
        sys.stdout = io.StringIO()
        return 2
    except OSError as error:
        if error.errno not in FULL:
            raise
        # What is left in its buffer would fail once more at exit.
        sys.stdout = io.StringIO()
        return _complain(f"{error.filename or 'The output'} can't be written ({error.strerror}).", 2)
    return code if isinstance(code, int) else 0


def _reader_left(error: OSError | SystemExit) -> bool:
    # rich ends the process then, with 1.
    found = error.__context__ if isinstance(error, SystemExit) else error
    if sys.platform == "win32" and isinstance(found, OSError) and found.filename is None:
        # So its C library says it (bpo-19612); of a name that no file can have, too.
        return found.errno in (errno.EINVAL, errno.EPIPE)
    return isinstance(found, BrokenPipeError)


def _sentence(error: click.ClickException) -> str:
    sentence = " ".join(error.format_message().split())
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{sentence} `{context.command_path} --help` shows how." if context else sentence


def _complain(sentence: str, code: int) -> int:
    click.echo(f"popbridge: {plain_lines(sentence)}", err=True)
    return code


def _have_outputs() -> None:
    # Python has none of what its caller closed (`>&-`), nor in a program of Windows without a console.
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, io.StringIO())


def _speak_utf8() -> None:
    # A pipe on Windows has the ANSI code page, in which most file names can't be written.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(ValueError):
                stream.reconfigure(encoding="utf-8", errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main())
