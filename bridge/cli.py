"""The `popbridge` command: its subcommands are loaded when they are used."""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import TextIO

import click
from click.exceptions import NoArgsIsHelpError, NoSuchCommand

from accel.text import text
from bridge.commands.help import Context, with_context
from bridge.core.errors import RequestError, UserError
from bridge.core.text import printable_lines

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
    "status": "bridge.commands.daemon:status",
    "top": "bridge.commands.daemon:top",
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
REFUSED = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.EBADF,
     errno.EIO}
)  # fmt: skip
"""What it says of a file that isn't this user's, has a name that none can have (Windows calls the handle of
`aux` invalid), or lies on a disk that fails."""


class LazyGroup(click.Group):
    """A group whose commands are imported one at a time."""

    context_class = Context

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        target = COMMANDS.get(cmd_name)
        if target is None:
            return None
        module, _, name = target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return with_context(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand as error:
            # click looks among those that it holds itself.
            raise NoSuchCommand(error.command_name, possibilities=COMMANDS, ctx=ctx) from None


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
    typed = sys.argv[1:] if arguments is None else arguments
    _speak_their_language()
    try:
        # Commands expand patterns themselves, and take a file that is called like one for that file.
        code = cli.main(arguments, prog_name="popbridge", standalone_mode=False, windows_expand_args=False)
    except UserError as error:
        return _complain(_explained(error) + _swallowed(typed), 2)
    except RequestError as error:
        return _complain(_explained(error), 2 if error.code.name in MISTAKES else 1)
    except NoArgsIsHelpError as error:
        return _tell(error.format_message(), error.exit_code)
    except click.ClickException as error:
        return _complain(_sentence(error, typed) + _swallowed(typed), 2)
    except (click.Abort, KeyboardInterrupt):
        return 130
    except (SystemExit, OSError) as error:
        return _unwritten(error)
    return code if isinstance(code, int) else 0


def _speak_their_language() -> None:
    from bridge.commands.terminal import reads_chinese

    if reads_chinese():
        from bridge.commands.help import teach_click

        teach_click()


def _unwritten(error: SystemExit | OSError) -> int:
    """The exit code where an output took no more; raises what is something else."""
    if _reader_left(error):
        _write_no_more()
        return 2
    if isinstance(error, OSError) and error.errno in FULL:
        _write_no_more()
        return _complain(_refusal(error), 2)
    if isinstance(error, OSError) and error.errno in REFUSED and error.filename is not None:
        return _complain(_refusal(error), 2)
    raise error


def _refusal(error: OSError) -> str:
    from bridge.commands.terminal import say

    full = (
        text("{file} can't be written ({reason}).")
        if error.filename is not None
        else text("The output can't be written ({reason}).")
    )
    said = full if error.errno in FULL else text("{file} can't be used ({reason}).")
    return say(said.fill(file=error.filename, reason=error.strerror))


def _reader_left(error: SystemExit | OSError) -> bool:
    """Whether whoever reads has read enough, as in `popbridge receipts | head`."""
    if isinstance(error, SystemExit):
        # So click and rich end the process then; click's completion of a shell ends it with 0.
        return error.code == 1
    # So Windows' C library says it (bpo-19612), and of a name that no file can have.
    of_windows = error.errno == errno.EINVAL and error.filename is None and _fails(sys.stdout)
    return isinstance(error, BrokenPipeError) or of_windows


def _fails(stream: TextIO) -> bool:
    try:
        # What isn't buffered has nothing left to flush. Where it arrives, a traceback follows it.
        stream.write("\n")
        stream.flush()
    except (OSError, ValueError):
        return True
    return False


def _write_no_more() -> None:
    # What is left in its buffer would fail once more at exit.
    sys.stdout = io.StringIO()


def _explained(error: UserError | RequestError) -> str:
    from bridge.commands.terminal import explain_error

    return explain_error(error)


def _sentence(error: click.ClickException, arguments: Sequence[str]) -> str:
    from bridge.commands.help import usage_error

    return usage_error(error, arguments)


def _swallowed(arguments: Sequence[str]) -> str:
    from bridge.commands.help import swallowed_value

    return swallowed_value(arguments)


def _complain(sentence: str, code: int) -> int:
    return _tell(f"popbridge: {printable_lines(sentence)}", code)


def _tell(text: str, code: int) -> int:
    try:
        click.echo(text, err=True)
    except OSError:
        # At exit it would fail once more, and the code would be another.
        sys.stderr = io.StringIO()
    return code


def _have_outputs() -> None:
    # Python has none of what its caller closed (`>&-`), nor in a program of Windows without a console.
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, _nowhere(descriptor))


def _nowhere(descriptor: int) -> TextIO:
    """What takes all and keeps nothing, also for the processes that are started."""
    null = os.open(os.devnull, os.O_WRONLY)
    # Left closed, it would be the next file's that is opened, and errors would be written into that.
    if sys.platform != "win32" and (null == descriptor or _is_closed(descriptor)):
        if null != descriptor:
            os.dup2(null, descriptor)
            os.close(null)
        os.set_inheritable(descriptor, True)
        null = descriptor
    return open(null, "w", encoding="utf-8", closefd=False)


def _is_closed(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return True
    return False


def _speak_utf8() -> None:
    # A pipe on Windows has the ANSI code page, in which most file names can't be written.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(ValueError):
                stream.reconfigure(encoding="utf-8", errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main())
