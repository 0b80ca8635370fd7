"""The sandbox of worker processes: on Linux, Landlock and a seccomp filter.

Workers parse files that nobody has vouched for. A worker that a file has taken over can't write outside its
own folder, change permissions, use the network, or signal, limit and trace other processes. It can read what
its user can read.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import platform
import re
import shutil
import stat
import struct
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
from msgspec import Struct

from accel.text import AnyText, text

WRITABLE: list[str] = []
"""Folders that every worker may write to, such as one of a tool that measures the workers."""


class Sandbox(Struct, frozen=True):
    """What a worker process may do besides reading and computing."""

    folder: str
    """Its own folder, for temporary and output files."""
    writable: Sequence[str] = ()
    """Other files and folders that it may write to; those that don't exist are ignored."""
    gpu: bool = False
    """Whether it drives a GPU. Then it may also write to devices, change permissions, and create Unix and
    netlink sockets, which drivers use."""


def support() -> AnyText:
    """Returns why this system can't restrict workers, or only in part; empty if it can."""
    if sys.platform != "linux":
        return text("this system offers no sandbox for them")
    if platform.machine() not in _ARCHITECTURES:
        return text("there is no filter of system calls for {machine}", machine=platform.machine())
    if _libc().prctl(_PR_GET_SECCOMP, 0, 0, 0, 0) < 0:
        return text("this kernel has no seccomp, so they can use the network")
    abi = landlock_abi()
    if abi < 1:
        return text("this kernel has no Landlock, so they can write files")
    if abi < _SCOPES_ABI:
        return text("this kernel's Landlock is version {abi}, so they can send signals", abi=abi)
    return ""


def restrict(sandbox: Sandbox) -> None:
    """Restricts this process, and those that it starts, for good.

    Must be called while the process has a single thread, since others that run already stay unrestricted.
    Does what the kernel can do (`support` tells what is missing). Raises OSError.
    """
    if sys.platform != "linux":
        return
    # Otherwise neither Landlock nor seccomp accept a process without privileges.
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if (abi := landlock_abi()) >= 1:
        _restrict_files(sandbox, abi)
    if (architecture := _ARCHITECTURES.get(platform.machine())) is not None:
        _filter_system_calls(architecture, gpu=sandbox.gpu)


def close_inherited() -> None:
    """Closes all descriptors but the standard ones: a parent may have left some open by mistake."""
    if sys.platform == "linux":
        for name in os.listdir("/proc/self/fd"):
            # The folder's own is closed already.
            with contextlib.suppress(OSError):
                if int(name) > 2:
                    os.close(int(name))


# Landlock: include/uapi/linux/landlock.h; Documentation/userspace-api/landlock.rst. The numbers of its system
# calls are the same on all architectures.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1
_WRITE_FILE, _REMOVE_DIR, _REMOVE_FILE = 1 << 1, 1 << 4, 1 << 5
_MAKE_DIR, _MAKE_REG = 1 << 7, 1 << 8
_MAKE_OTHERS = 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12
"""Devices, sockets, pipes and links."""
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_SINCE = {1: _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_OTHERS}
_SINCE |= {2: _REFER, 3: _TRUNCATE, 5: _IOCTL_DEV}
"""Rights of files by the version that introduced them."""
_OF_FILES = _WRITE_FILE | _TRUNCATE | _IOCTL_DEV
"""Rights that a rule for a file, not a folder, may grant."""
_FOLDER_RIGHTS = _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _REFER | _TRUNCATE
_NET_ABI, _TCP = 4, 1 << 0 | 1 << 1
"""Binding and connecting."""
_SCOPES_ABI, _SCOPES = 6, 1 << 0 | 1 << 1
"""Abstract Unix sockets and signals of processes outside."""
_GPU_FILES = ("/dev", "~/.nv")
"""Devices, shared memory, and the cache of kernels that CUDA compiles."""


@functools.cache
def landlock_abi() -> int:
    """Returns the version of the kernel's Landlock; 0 if it has none or it is disabled."""
    if sys.platform != "linux":
        return 0
    return max(0, int(_libc().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)))


def _restrict_files(sandbox: Sandbox, abi: int) -> None:
    handled = sum(rights for since, rights in _SINCE.items() if since <= abi)
    net, scopes = _TCP if abi >= _NET_ABI else 0, _SCOPES if abi >= _SCOPES_ABI else 0
    # Older kernels refuse the fields that they don't know unless these are absent.
    fields = 3 if scopes else 2 if net else 1
    attributes = struct.pack("=QQQ", handled, net, scopes)[: 8 * fields]
    ruleset = _syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    try:
        for path in (sandbox.folder, *sandbox.writable, *(_GPU_FILES if sandbox.gpu else ())):
            rights = _FOLDER_RIGHTS | (_IOCTL_DEV if path == "/dev" else 0)
            _allow(ruleset, os.path.expanduser(path), rights & handled)
        _allow(ruleset, os.devnull, _OF_FILES & handled)
        _syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)  # type: ignore[attr-defined,unused-ignore]
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _OF_FILES
        _syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
    finally:
        os.close(place)


# seccomp: include/uapi/linux/seccomp.h and bpf_common.h.
_PR_SET_NO_NEW_PRIVS, _PR_GET_SECCOMP, _PR_SET_SECCOMP, _MODE_FILTER = 38, 21, 22, 2
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
"""BPF_LD | BPF_W | BPF_ABS, BPF_JMP | BPF_JEQ | BPF_K, BPF_JMP | BPF_JGE | BPF_K, BPF_RET | BPF_K."""
_AND = 0x54
"""BPF_ALU | BPF_AND | BPF_K."""
_NUMBER, _ARCH, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24
"""Offsets in `struct seccomp_data`; those of the lower halves of arguments on little-endian machines."""
_KILL, _ALLOW, _FAIL = 0x80000000, 0x7FFF0000, 0x00050000
_X32 = 0x40000000
"""Added to the numbers of the x32 ABI, which would get round the filter."""
_AF_UNIX, _AF_NETLINK = 1, 16
_SOCK_STREAM, _TYPE_MASK = 1, 0xF
"""Bits above the mask are flags of socket(2)."""
_IO_URING_SETUP = 425
"""The same on all architectures. Rings can create sockets without the system call."""
_PIDFD_GETFD = 438
_FCHMODAT2, _SETXATTRAT, _REMOVEXATTRAT = 452, 463, 466


class _Architecture(Struct, frozen=True):
    audit: int
    """AUDIT_ARCH_ of include/uapi/linux/audit.h."""
    socket: int
    socketpair: int
    prlimit: int
    refused: tuple[int, ...]
    """ptrace, process_vm_readv, process_vm_writev, keyctl, bpf: ways to other processes where Landlock is
    missing, and nothing that a worker needs."""
    permissions: tuple[int, ...]
    """chmod, chown and xattr calls, by which access control lists are changed, too. Landlock doesn't
    restrict them."""
    has_x32: bool = False


_ARCHITECTURES = {
    "x86_64": _Architecture(
        0xC000003E, 41, 53, 302, (101, 310, 311, 250, 321),
        (90, 91, 92, 93, 94, 260, 268, 188, 189, 190, 197, 198, 199), has_x32=True,
    ),
    "aarch64": _Architecture(
        0xC00000B7, 198, 199, 261, (117, 270, 271, 219, 280), (52, 53, 54, 55, 5, 6, 7, 14, 15, 16)
    ),
}  # fmt: skip


def _filter_system_calls(architecture: _Architecture, *, gpu: bool) -> None:
    """Installs the filter: no sockets but those that `gpu` needs, whatever the family of addresses."""
    families = (_AF_UNIX, _AF_NETLINK) if gpu else ()
    program = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, architecture.audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if architecture.has_x32:
        program += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _KILL)]
    # As on a kernel without it, so that libraries take another way.
    program += [(_EQUAL, 0, 1, _IO_URING_SETUP), (_RETURN, 0, 0, _FAIL | errno.ENOSYS)]
    refused = [*architecture.refused, _PIDFD_GETFD]
    if not gpu:
        refused += [*architecture.permissions, _FCHMODAT2, _SETXATTRAT, _REMOVEXATTRAT]
        # Both ends of a pair of datagram sockets can be connected to any other socket by its path.
        program += [
            (_EQUAL, 0, 5, architecture.socketpair),
            (_LOAD, 0, 0, _SECOND_ARGUMENT),
            (_AND, 0, 0, _TYPE_MASK),
            (_EQUAL, 0, 1, _SOCK_STREAM),
            (_RETURN, 0, 0, _ALLOW),
            (_RETURN, 0, 0, _FAIL | errno.EACCES),
        ]
    for number in refused:
        program += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _FAIL | errno.EPERM)]
    # A limit of processor time ends another process; 0 is the own one.
    program += [
        (_EQUAL, 0, 4, architecture.prlimit),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_EQUAL, 0, 1, 0),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _FAIL | errno.EPERM),
    ]
    program += [(_EQUAL, 1, 0, architecture.socket), (_RETURN, 0, 0, _ALLOW), (_LOAD, 0, 0, _FIRST_ARGUMENT)]
    for family in families:
        program += [(_EQUAL, 0, 1, family), (_RETURN, 0, 0, _ALLOW)]
    program.append((_RETURN, 0, 0, _FAIL | errno.EACCES))
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in program))
    # struct sock_fprog, with padding before the pointer.
    described = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    _prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(described))


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _syscall(number: int, *arguments: object) -> int:
    return _checked(_libc().syscall(number, *arguments))


def _prctl(option: int, *arguments: object) -> None:
    # Unused arguments must be 0, and all are unsigned longs.
    longs = [ctypes.c_ulong(one) if isinstance(one, int) else one for one in arguments]
    _checked(_libc().prctl(option, *longs, *[ctypes.c_ulong(0)] * (4 - len(longs))))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


_SECRET = re.compile(r"(?:^|_)(?:KEY|TOKEN|SECRET|PASSWORD|PASSPHRASE)$", re.IGNORECASE)


def sandbox_environment(variables: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Returns a worker's environment: `folder` for temporary files, and nothing that is named as a key."""
    kept = {name: value for name, value in variables.items() if not _SECRET.search(name)}
    return kept | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))


def is_refusal(error: BaseException) -> bool:
    """Whether an error of a workload comes from the sandbox, and not from the modes of a file."""
    if not isinstance(error, OSError) or error.errno not in (errno.EACCES, errno.EPERM):
        return False
    path = error.filename
    if not isinstance(path, str | bytes):
        return True
    # access(2) looks at modes alone.
    return os.access(path if os.path.exists(path) else os.path.dirname(path) or os.curdir, os.W_OK)


_FOLDER = "popbridge-worker-"


def make_folder(root: str) -> Path:
    """Makes a folder for a worker of this process in `root`, or among the system's temporary files if that is
    empty. Raises OSError."""
    if root:
        # It may have been deleted.
        os.makedirs(root, mode=0o700, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-", dir=root or None))


def remove_leftovers(root: Path) -> None:
    """Removes the folders in `root` whose worker's parent runs no more, as it was killed."""
    for folder in root.glob(f"{_FOLDER}*"):
        parent = folder.name.removeprefix(_FOLDER).partition("-")[0]
        if not (parent.isdecimal() and psutil.pid_exists(int(parent))):
            remove_folder(folder)


def remove_folder(folder: Path) -> None:
    """Removes a worker's folder and what its jobs have left there."""
    shutil.rmtree(folder, ignore_errors=True)
