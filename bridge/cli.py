"""The `popbridge` command: its subcommands, errors and exit codes.

A subcommand's module is imported when the command runs. The list of commands needs none of them, so
`popbridge --help` and shell completion stay fast.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TextIO

import click
from click.exceptions import NoArgsIsHelpError, NoSuchCommand
from click.shell_completion import CompletionItem

from accel.text import text
from bridge.commands.help import Context, swallowed_value, teach_click, usage_error, with_context
from bridge.commands.terminal import explain_error, look_up, reads_chinese, say
from bridge.core.errors import RequestError, UserError
from bridge.core.text import printable_lines


class Entry(NamedTuple):
    """One line of `popbridge --help`."""

    target: str
    """`module:command`."""
    summary: str
    """The first sentence of the command's own help."""


GROUPS: Mapping[str, Mapping[str, Entry]] = {
    "Check": {
        "audit": Entry("bridge.commands.audit:audit", "Check the textures of a project, folder or file"),
        "explain": Entry(
            "bridge.commands.explain:explain", "Explain what a texture was judged to be, and why"
        ),
        "receipts": Entry("bridge.commands.receipts:receipts", "List changes"),
        "revert": Entry("bridge.commands.receipts:revert", "Revert a change"),
    },
    "Editors": {
        "install": Entry("bridge.commands.install:install", "Install the editor addon in a project"),
        "serve": Entry("bridge.commands.daemon:serve", "Run the daemon until Ctrl-C"),
        "service": Entry("bridge.commands.service:service", "Start the daemon when you log in"),
        "status": Entry("bridge.commands.status:status", "Show the daemon's state"),
        "top": Entry("bridge.commands.status:top", "Show the daemon's state live, until Ctrl-C"),
    },
    "Images": {
        "run": Entry("bridge.commands.run.command:run", "Run a workload on files"),
        "workloads": Entry("bridge.commands.listing:workloads", "List workloads, or one's parameters"),
        "models": Entry("bridge.commands.models:models", "Manage the models that some workloads need"),
        "devices": Entry("bridge.commands.devices:devices", "List the devices that can run models"),
        "tune": Entry("bridge.commands.tune:tune", "Benchmark batches and devices"),
    },
    "Security": {
        "roots": Entry("bridge.commands.roots:roots", "Manage the folders that PopBridge may read"),
        "pair": Entry("bridge.commands.pair:pair", "Show a code that lets another machine in"),
        "join": Entry("bridge.commands.pair:join", "Use a daemon on another machine"),
        "tokens": Entry("bridge.commands.tokens:tokens", "Manage the tokens of clients"),
        "certs": Entry("bridge.commands.certs:certs", "Manage the certificate for encrypted connections"),
        "keys": Entry("bridge.commands.keys:keys", "Manage the master key of the database"),
        "audit-log": Entry("bridge.commands.audit_log:audit_log", "Show and verify who did what"),
    },
    "Manage": {
        "doctor": Entry("bridge.commands.doctor:doctor", "Find what is wrong, and how to mend it"),
        "config": Entry("bridge.commands.listing:config", "Show settings and where each value comes from"),
        "plugins": Entry("bridge.commands.listing:plugins", "List plugins"),
        "db": Entry("bridge.commands.db:db", "Check, back up and restore the database"),
        "demo": Entry("bridge.commands.daemon:demo", "Show the first popup on a demo project"),
    },
}
COMMANDS: Mapping[str, Entry] = {name: entry for group in GROUPS.values() for name, entry in group.items()}

USER_ERRORS = frozenset(
    {"ambiguous_editor", "bad_input", "bad_params", "forbidden", "key_reused", "not_found", "too_large",
     "unknown_workload", "unsupported"}
)  # fmt: skip
"""Errors of the daemon that another command line avoids: exit code 2."""

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
UNUSABLE_FILE = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.EBADF,
     errno.EIO}
)  # fmt: skip
"""No permission, an impossible name (Windows calls the handle of `aux` invalid), or a failing disk."""


class LazyGroup(click.Group):
    """A group that imports a command when it is called."""

    context_class = Context

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, name = entry.target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return with_context(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand as error:
            # click suggests only commands that it has loaded.
            raise NoSuchCommand(error.command_name, possibilities=COMMANDS, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, COMMANDS))
        for heading, entries in GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl(
                    [(name.ljust(width), look_up(entry.summary)) for name, entry in entries.items()]
                )

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        commands = [
            CompletionItem(name, help=look_up(entry.summary))
            for name, entry in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="popbridge", prog_name="popbridge")
def cli() -> None:
    """Find and fix wrong import settings of game textures; run image workloads."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 2 for a user's mistake, 1 for a failure, 130 for Ctrl-C.

    Output that can't be written is 2, because 1 is a result of several commands, such as `audit`.
    """
    _open_missing_streams()
    _use_utf8()
    typed = sys.argv[1:] if arguments is None else arguments
    if reads_chinese():
        teach_click()
    try:
        # Commands expand patterns themselves: a file may be named like a pattern.
        code = cli.main(arguments, prog_name="popbridge", standalone_mode=False, windows_expand_args=False)
    except UserError as error:
        return _fail(explain_error(error) + swallowed_value(typed), 2)
    except RequestError as error:
        return _fail(explain_error(error), 2 if error.code.name in USER_ERRORS else 1)
    except NoArgsIsHelpError as error:
        return _print_error(error.format_message(), error.exit_code)
    except click.ClickException as error:
        return _fail(usage_error(error, typed) + swallowed_value(typed), 2)
    except (click.Abort, KeyboardInterrupt):
        return 130
    except (SystemExit, OSError) as error:
        return _output_failed(error)
    return code if isinstance(code, int) else 0


def _output_failed(error: SystemExit | OSError) -> int:
    """The exit code for output that can't be written; raises any other error again."""
    if _is_closed_pipe(error):
        _discard_stdout()
        return 2
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        _discard_stdout()
        return _fail(_os_error_text(error), 2)
    if isinstance(error, OSError) and error.errno in UNUSABLE_FILE and error.filename is not None:
        return _fail(_os_error_text(error), 2)
    raise error


def _os_error_text(error: OSError) -> str:
    if error.errno not in DISK_FULL:
        sentence = text("Can't use {file} ({reason}).")
    elif error.filename is not None:
        sentence = text("Can't write {file} ({reason}).")
    else:
        sentence = text("Can't write the output ({reason}).")
    return say(sentence.fill(file=error.filename, reason=error.strerror))


def _is_closed_pipe(error: SystemExit | OSError) -> bool:
    """Whether the reader of a pipe has ended, as in `popbridge receipts | head`."""
    if isinstance(error, SystemExit):
        # click and rich exit with 1 then; click's shell completion exits with 0.
        return error.code == 1
    # Windows' C library reports EINVAL for a closed pipe (bpo-19612), but also for an impossible file name.
    is_windows_pipe = error.errno == errno.EINVAL and error.filename is None and _fails(sys.stdout)
    return isinstance(error, BrokenPipeError) or is_windows_pipe


def _fails(stream: TextIO) -> bool:
    try:
        # An unbuffered stream has nothing to flush. If the line break arrives, a traceback follows it.
        stream.write("\n")
        stream.flush()
    except (OSError, ValueError):
        return True
    return False


def _discard_stdout() -> None:
    # The rest of the buffer would fail again at exit.
    sys.stdout = io.StringIO()


def _fail(sentence: str, code: int) -> int:
    return _print_error(f"popbridge: {printable_lines(sentence)}", code)


def _print_error(sentence: str, code: int) -> int:
    try:
        click.echo(sentence, err=True)
    except OSError:
        # Flushing it at exit would fail again and change the exit code.
        sys.stderr = io.StringIO()
    return code


def _open_missing_streams() -> None:
    # Python sets a closed stream (`>&-`, or a Windows program without a console) to None.
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, _null_stream(descriptor))


def _null_stream(descriptor: int) -> TextIO:
    """A stream to the null device, which child processes inherit under `descriptor`."""
    null = os.open(os.devnull, os.O_WRONLY)
    # The next file opened would get a closed descriptor's number, and error messages would end up in it.
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


def _use_utf8() -> None:
    # A pipe on Windows has the ANSI code page, which lacks most characters of file names.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(ValueError):
                stream.reconfigure(encoding="utf-8", errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main())
