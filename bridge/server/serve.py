"""The process: lock, port, signals."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn
from filelock import FileLock, Timeout

from accel.devices import Device, probe
from accel.text import AnyText, joined, text
from bridge import __version__
from bridge.core import auth
from bridge.core.errors import UserError
from bridge.core.messages import PROTOCOL
from bridge.core.settings import Settings
from bridge.host.host import Registry
from bridge.paths import ConnectionFile, Paths
from bridge.server import logs
from bridge.server.app import Bridge
from bridge.server.uvicorn_protocols import server_config

SPARE = 1024
"""For workers' pipes, the store, blobs on their way, and whatever else."""


def allow(connections: int) -> None:
    """Raises the limit for so many connections as far as this user may; warns where it stays lower."""
    if sys.platform == "win32":
        return  # Windows has no such limit for sockets
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError):  # macOS has a lower limit of its own, which it doesn't tell
        most = soft
    if most < wanted:
        log.warning(
            "the system lets PopBridge open %d files, too few for %d connections: raise `ulimit -n`, or "
            "lower the setting 'connections'",
            most,
            connections,
        )


log = logging.getLogger(__name__)

Say = Callable[[AnyText], None]

SWITCH_S = 0.0005
"""How long a thread keeps Python while the loop waits for it; by default 5 ms, more than an answer takes."""


def main(settings: Settings, paths: Paths, registry: Registry, say: Say = print) -> None:
    """Serves until SIGINT or SIGTERM. Raises UserError where that can't be done."""
    with logs.logging_by(settings, registry):
        allow(settings["connections"])
        _main(settings, paths, registry, say)


def _main(settings: Settings, paths: Paths, registry: Registry, say: Say) -> None:
    with _only_one(paths), _listen(settings["host"], settings["port"], say) as listener:
        sys.setswitchinterval(SWITCH_S)
        bridge = Bridge(settings, paths, registry)
        server = Server(bridge, listener, paths, say)
        # Until uvicorn listens to signals; it raises SIGTERM once more when it has stopped, for nothing.
        signal.signal(signal.SIGTERM, server.handle_exit)
        with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(server.serve(sockets=[listener]))
    say(text("PopBridge has stopped."))


class Server(uvicorn.Server):
    """uvicorn, which says when it is ready and lets the bridge finish before it closes sockets."""

    def __init__(self, bridge: Bridge, listener: socket.socket, paths: Paths, say: Say) -> None:
        super().__init__(server_config(bridge.app, bridge.settings["heartbeat_s"]))
        self._bridge = bridge
        self._listener = listener
        self._paths = paths
        self._say = say
        self._why = "its process asked for it"

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._why = signal.Signals(sig).name
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self._bridge.start()
        await super().startup(sockets)
        host, port = self._listener.getsockname()[:2]
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        file = ConnectionFile(
            ws=f"ws://{address}/ws",
            http=f"http://{address}",
            token=self._bridge.token,
            pid=os.getpid(),
            protocol=PROTOCOL,
        )
        try:
            file.write(self._paths.connection_file)
        except OSError as error:
            self._why = f"{self._paths.connection_file} can't be written"
            await self.shutdown(sockets)
            raise UserError(
                text(
                    "{connection_file} can't be written ({strerror}): free its place.",
                    connection_file=self._paths.connection_file,
                    strerror=error.strerror,
                )
            ) from None
        log.info(
            "PopBridge %s has started at %s (data in %s, workers: %d, process %d)",
            __version__, file.ws, self._paths.data, self._bridge.workers, file.pid,
        )  # fmt: skip
        # A CUDA driver takes up to seconds to answer; clients are served meanwhile.
        device = await asyncio.to_thread(probe)
        gpu = self._bridge.settings["gpu"]
        self._say(startup_line(address, device, self._bridge.registry, gpu=gpu))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        log.info("PopBridge stops: %s", self._why)
        # Windows removes no file that a client is just reading; the next daemon writes it anew.
        with contextlib.suppress(OSError):
            self._paths.connection_file.unlink(missing_ok=True)
        await self._bridge.finish()
        await super().shutdown(sockets)
        await self._bridge.stop()
        log.info("PopBridge has stopped")


def startup_line(address: str, device: Device, registry: Registry, *, gpu: bool = True) -> AnyText:
    """What an operator wants to know at once."""
    adapters = [f"{a.name} ({a.versions})" for a in registry.adapters] or text("none")
    count, broken = len(registry.workloads), registry.disabled
    parts: list[AnyText] = [
        text("PopBridge {version} at {address}", version=__version__, address=f"ws://{address}/ws"),
        _in_use(device, gpu),
        text("adapters: {adapters}", adapters=adapters),
        text("workloads: {count} (see `popbridge workloads`)", count=count)
        if count
        else text("workloads: none"),
    ]
    if broken:
        parts.append(text("disabled plugins: {names} (see `popbridge plugins`)", names=[*broken]))
    return joined(parts, text("{head} | {rest}"))


def _in_use(device: Device, gpu: bool) -> AnyText:
    """The device that work runs on, and why; whether a GPU works shows only when it is tried, after this."""
    if device.name == "CPU":
        return text("CPU: {reason}", reason=device.reason)
    if device.name != "CUDA":
        return text("CPU: no workload uses {device} yet ({reason})", device=device.name, reason=device.reason)
    if not gpu:
        return text("CPU: the setting gpu leaves {reason} alone", reason=device.reason)
    return text(
        "CPU, and CUDA on {reason} for what it does sooner (`popbridge devices` tries it)",
        reason=device.reason,
    )


@contextlib.contextmanager
def _only_one(paths: Paths) -> Iterator[None]:
    """Raises UserError where a daemon runs already, or where its folders can't be made."""
    try:
        # The runtime folder may lie in the data folder, whose mode is set only where it is made by itself.
        for folder in (paths.data, paths.runtime, paths.cache):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(paths.lock_file)
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(_is_running(paths)) from None
    except OSError as error:
        raise _cant_use(paths, error) from None
    try:
        yield
    finally:
        lock.release()


def _cant_use(paths: Paths, error: OSError) -> UserError:
    """Of a folder that can't be made or written, or of the lock itself."""
    if isinstance(error, FileExistsError):
        return UserError(
            text(
                "{filename} is no folder: let POPBRIDGE_HOME name one, or make room for one.",
                filename=error.filename,
            )
        )
    if error.errno == errno.EROFS:
        # Of a mount that is read-only the lock is only the first file that is to be made.
        return UserError(
            text(
                "The folder {runtime} can't be written ({strerror}): make it writable, or let "
                "POPBRIDGE_HOME name another folder.",
                runtime=paths.runtime,
                strerror=error.strerror,
            )
        )
    said = (
        text("The file {name} can't be used ({reason}).")
        if error.filename == str(paths.lock_file)
        else text("The folder {name} can't be used ({reason}).")
    )
    return UserError(said.fill(name=error.filename, reason=error.strerror))


def _is_running(paths: Paths) -> AnyText:
    try:
        file = ConnectionFile.read(paths.connection_file)
    except UserError:
        return text("PopBridge is running already; stop it first.")
    return text(
        "PopBridge is running already at {address} (process {pid}); stop it first.",
        address=file.ws,
        pid=file.pid,
    )


@contextlib.contextmanager
def _listen(host: str, port: int, say: Say) -> Iterator[socket.socket]:
    """A listening socket; where `port` is held, on one that the system chooses. Raises UserError."""
    if not auth.is_loopback(host):
        raise UserError(
            text(
                "Setting host: {host} isn't loopback, and there is no TLS yet; use 127.0.0.1.",
                host=repr(host),
            )
        )
    try:
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise UserError(
            text(
                "Can't listen on {host} port {port}: {strerror}.",
                host=host,
                port=port,
                strerror=error.strerror,
            )
        ) from None
    try:
        if sys.platform == "win32":
            # Without it another program could take over the same port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            # On Windows it would let two processes have one port; here it only skips TIME_WAIT.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _bind(listener, host, port, say)
        listener.listen(1024)
        yield listener
    finally:
        listener.close()


def _bind(listener: socket.socket, host: str, port: int, say: Say) -> None:
    try:
        try:
            listener.bind((host, port))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES) or port == 0:
                raise
            listener.bind((host, 0))
            chosen = listener.getsockname()[1]
            say(
                text(
                    "Port {port} is held by {holder}: listening on {chosen} (another one: --port).",
                    port=port,
                    holder=holder(port),
                    chosen=chosen,
                )
            )
    except OSError as error:
        raise UserError(
            text(
                "Can't listen on {host} port {port}: {strerror}.",
                host=host,
                port=port,
                strerror=error.strerror,
            )
        ) from None


def holder(port: int) -> AnyText:
    """Who listens on a port, as far as this user may know."""
    import psutil

    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.pid:
                return text(
                    "{name} (process {pid})", name=psutil.Process(connection.pid).name(), pid=connection.pid
                )
    return text("another program")


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where there is one; asyncio's own otherwise.

    On Windows that is the proactor loop: winloop takes no creation flags, without which each worker
    opens a console window.
    """
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop
