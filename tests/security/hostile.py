"""Workloads of a hostile plugin: each attacks the machine that its worker runs on."""

import ctypes
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from accel.workload import Output, OutputFile, Params, WorkloadError, workload

if sys.platform != "win32":
    import resource


class Attack(Params, frozen=True):
    way: str = ""
    target: str = ""


IO_URING_SETUP = 425
FAMILIES = {"tcp": socket.AF_INET, "tcp6": socket.AF_INET6, "unix": getattr(socket, "AF_UNIX", None)}


def connect(way: str, target: str) -> None:
    """Sends a datagram or connects by the way named."""
    if way == "udp":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
            plain.sendto(b"stolen", ("127.0.0.1", int(target)))
    elif way in FAMILIES:
        address = target if way == "unix" else ("::1" if way == "tcp6" else "127.0.0.1", int(target))
        with socket.socket(FAMILIES[way], socket.SOCK_STREAM) as stream:
            stream.connect(address)
    elif way == "pair":
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with one, other:
            one.sendto(b"stolen", target)
    elif way in ("netlink", "packet"):
        family = socket.AF_NETLINK if way == "netlink" else socket.AF_PACKET
        socket.socket(family, socket.SOCK_RAW).close()
    elif way == "ring":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syscall(IO_URING_SETUP, 1, ctypes.create_string_buffer(256)) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def change(way: str, target: str) -> None:
    """Changes a file outside of the worker's folder by the way named."""
    file = Path(target)
    match way:
        case "write":
            file.write_text("taken over")
        case "append":
            with file.open("a") as opened:
                opened.write("taken over")
        case "truncate":
            os.truncate(file, 0)
        case "remove":
            file.unlink()
        case "folder":
            file.with_suffix(".d").mkdir()
        case "rename":
            file.rename(file.with_suffix(".gone"))
        case "replace":
            own = Path(os.environ["TMPDIR"]) / "own"
            own.write_text("taken over")
            os.replace(own, file)
        case "link out":
            os.link(file, Path(os.environ["TMPDIR"]) / "linked")
        case "symlink":
            (Path(os.environ["TMPDIR"]) / "aside").symlink_to(file.parent, target_is_directory=True)
            (Path(os.environ["TMPDIR"]) / "aside" / file.name).write_text("taken over")
        case "mode":
            file.chmod(0o666)
        case "mode of an open file":
            with file.open("rb") as opened:
                os.fchmod(opened.fileno(), 0o666)
        case "owner":
            os.chown(file, os.getuid(), os.getgid())
        case "attribute":
            os.setxattr(file, "user.taken", b"over")
        case "child":
            code = f"open({target!r}, 'w').write('taken over')"
            if subprocess.run(
                [sys.executable, "-c", code], stderr=subprocess.DEVNULL, check=False
            ).returncode:
                raise PermissionError(errno.EACCES, "the child failed")


@workload("hostile.connect", version=1, params=Attack, inputs=(0, 1))
def connects(inputs, params, limits):
    """Uses the network."""
    connect(params.way, params.target)
    return Output("connected")


@workload("hostile.change", version=1, params=Attack, inputs=(0, 1))
def changes(inputs, params, limits):
    """Changes a file."""
    change(params.way, params.target)
    return Output("changed")


@workload("hostile.signal", version=1, params=Attack, inputs=(0, 1))
def signals(inputs, params, limits):
    """Ends another process."""
    if params.way == "limit":
        resource.prlimit(int(params.target), resource.RLIMIT_CPU, (0, 0))
    else:
        os.kill(int(params.target), signal.SIGKILL)
    return Output("ended")


@workload("hostile.look", version=1, params=Attack, inputs=(0, 1))
def looks(inputs, params, limits):
    """Returns the worker's open files, environment and restrictions."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    opened = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            opened[name] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
    return Output(
        {
            "fds": opened,
            "environment": sorted(os.environ),
            "no_new_privs": status["NoNewPrivs"].strip(),
            "seccomp": status["Seccomp"].strip(),
            "folder": os.environ.get("TMPDIR", ""),
        }
    )


@workload("hostile.file", version=1, params=Attack, inputs=(0, 1))
def files(inputs, params, limits):
    """Makes an output file, and uses its temporary folder."""
    (Path(os.environ["TMPDIR"]) / "scratch").write_bytes(b"ordinary")
    return Output(
        "made", [OutputFile(name, "text/plain", params.target.encode()) for name in ("one", "same")]
    )


@workload("hostile.refused", version=1, params=Attack, inputs=(0, 1))
def refused(inputs, params, limits):
    """Returns the size of what can be read of a file."""
    try:
        return Output(len(Path(params.target).read_bytes()))
    except OSError as error:
        raise WorkloadError("bad_input", str(error)) from None


@workload("hostile.hoard", version=1, params=Attack, inputs=(0, 1))
def hoards(inputs, params, limits):
    """Takes so many MiB, in steps, and keeps them."""
    hoard = []
    for _ in range(int(params.target) // 16):
        hoard.append(b"x" * (16 << 20))
        time.sleep(0.01)
    time.sleep(20)
    return Output(len(hoard))
