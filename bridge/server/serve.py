"""The daemon's process: lock, port, signals, start-up and shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn

from accel.atomic_file import make_private_folder
from accel.devices import Device, probe
from accel.execution import sandbox
from accel.text import AnyText, joined, text
from bridge import __version__
from bridge.core import auth
from bridge.core.errors import UserError
from bridge.core.messages import PROTOCOL
from bridge.core.settings import Settings
from bridge.core.text import printable
from bridge.host.host import Registry
from bridge.host.plugin_policy import write_known
from bridge.paths import ConnectionFile, FileState, Paths, file_state, private_umask, write_private
from bridge.server import logs
from bridge.server.access.door import CLIENT, SPARE_FILES, Acceptor, ClientSocket
from bridge.server.access.unix_socket import listen_locally
from bridge.server.app import Bridge
from bridge.server.metrics import Inspect
from bridge.server.uvicorn_protocols import HttpProtocol, server_config
from bridge.store.home import HomeInUseError, HomeLock, close_files, create_folders

if TYPE_CHECKING:
    from bridge.server.access.tls import Certificate


def raise_file_limit(connections: int) -> None:
    """Raises the limit of open files for `connections`. Logs a warning if it can't."""
    if sys.platform == "win32":
        return  # Windows has no such limit
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError):  # macOS has an undocumented lower limit
        most = soft
    if most < wanted:
        log.warning(
            "PopBridge may only open %d files, too few for %d connections: raise `ulimit -n`, or "
            "lower the setting `connections`",
            most,
            connections,
        )


log = logging.getLogger(__name__)

Say = Callable[[AnyText], None]

SWITCH_S = 0.0005
"""Python's thread switch interval; the default of 5 ms takes longer than an answer."""


def main(
    settings: Settings,
    paths: Paths,
    registry: Registry,
    say: Say = print,
    inspect: Inspect | None = None,
) -> None:
    """Runs the daemon until SIGINT or SIGTERM. `inspect` runs in a thread, when it serves clients and when
    one of them asks.

    Raises UserError if it can't start.
    """
    with private_umask(), logs.configure_logging(settings, registry):
        raise_file_limit(settings["connections"])
        _main(settings, paths, registry, say, inspect)


def _main(settings: Settings, paths: Paths, registry: Registry, say: Say, inspect: Inspect | None) -> None:
    with contextlib.ExitStack() as held:
        lock = held.enter_context(_lock(paths))
        close_files(paths, settings["log_file"])
        certificate = _certificate(settings, paths)
        listener = held.enter_context(_listen(settings["host"], settings["port"], say))
        local = held.enter_context(listen_locally(paths.socket_file))
        sys.setswitchinterval(SWITCH_S)
        bridge = Bridge(settings, paths, registry)
        server = Server(bridge, listener, paths, say, certificate, local)
        server.lock = lock
        bridge.operator.inspect = inspect
        # Handle it before uvicorn handles signals, and after, when it raises SIGTERM again.
        signal.signal(signal.SIGTERM, server.handle_exit)
        if sys.platform != "win32" and certificate is not None and not _has_terminal():
            # A service's signal to read its files again. In a terminal it means that the window was closed.
            signal.signal(signal.SIGHUP, server.reload_certificate)
        with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(server.serve(sockets=[listener] if local is None else [listener, local]))
    say(text("PopBridge has stopped."))


def _certificate(settings: Settings, paths: Paths) -> Certificate | None:
    """Returns the daemon's certificate; None without TLS. Raises UserError."""
    host = settings["host"]
    if settings["tls"] == "off":
        if not auth.is_loopback(host):
            name = "" if host in auth.ANY_ADDRESS else f" --name {host}"
            raise UserError(
                text(
                    "`host` is {host}, which other machines can reach; that needs TLS. Run `popbridge certs "
                    "init{name}`, then set `tls` to on.",
                    host=repr(host),
                    name=name,
                )
            )
        return None
    # It imports cryptography, which takes longer than the rest of the start.
    from bridge.server.access.tls import Certificate

    certificate = Certificate(settings, paths)
    certificate.check_host(host)
    return certificate


def _has_terminal() -> bool:
    """Whether the process belongs to a terminal."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | getattr(os, "O_NOCTTY", 0)))
    except OSError:
        return False
    return True


class Server(uvicorn.Server):
    """A uvicorn server that writes connection.json and finishes requests before it closes sockets."""

    _loop: asyncio.AbstractEventLoop | None = None
    lock: HomeLock | None = None
    _written: FileState | None = None
    """The state of `connection.json` as it was written last."""

    def __init__(
        self,
        bridge: Bridge,
        listener: socket.socket,
        paths: Paths,
        say: Say,
        certificate: Certificate | None = None,
        local: socket.socket | None = None,
    ) -> None:
        """`local` is the Unix socket, if there is one."""
        self._has_local = local is not None
        self._tls = None if certificate is None else certificate.listener(HttpProtocol)
        changes: dict[str, Any] = {} if self._tls is None else {"http": self._tls}
        super().__init__(server_config(bridge.app, bridge.settings["heartbeat_s"], **changes))
        self._certificate = certificate
        self._watching: asyncio.Task[None] | None = None
        self._bridge = bridge
        self._listener = listener
        self._paths = paths
        self._say = say
        self._reason = "requested"

    @property
    def should_exit(self) -> bool:
        """Whether the server is to end."""
        return self._exits

    @should_exit.setter
    def should_exit(self, value: bool) -> None:
        self._exits = value
        if value and (loop := self._loop) is not None:
            # A signal, or another thread.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._exit.set)

    async def main_loop(self) -> None:
        """Waits for the end. uvicorn's own loop looks ten times a second, which costs an idle daemon most."""
        self._loop, self._exit = asyncio.get_running_loop(), asyncio.Event()
        # Each tenth of uvicorn's ticks renews the header with the date.
        while not await self.on_tick(0):
            self._check_home()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._exit.wait()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._reason = signal.Signals(sig).name
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self._bridge.start()
        # uvicorn accepts no connections itself: the door does.
        await super().startup([])
        self.servers = [Acceptor(each, self._bridge.door, self._protocol) for each in sockets or ()]  # type: ignore[misc]
        if self._certificate is not None:
            self._watching = asyncio.create_task(self._certificate.watch(self._show_certificate))
        file = self._connection_file()
        try:
            self._write(file)
        except OSError as error:
            self._reason = f"can't write {self._paths.connection_file}"
            await self.shutdown(sockets)
            raise UserError(
                text(
                    "Can't write {connection_file} ({strerror}).",
                    connection_file=self._paths.connection_file,
                    strerror=error.strerror,
                )
            ) from None
        log.info(
            "PopBridge %s started at %s (data: %s, workers: %d, process %d)",
            __version__, file.ws, self._paths.data, self._bridge.workers, file.pid,
        )  # fmt: skip
        self._remember_plugins()
        # A CUDA driver may take seconds, so serve clients meanwhile.
        device = await asyncio.to_thread(probe)
        gpu = self._bridge.settings["gpu"]
        on = self._bridge.settings["worker.sandbox"]
        missing = sandbox.support() if on else text("the setting worker.sandbox is off")
        self._say(startup_line(file.ws, device, self._bridge.registry, gpu=gpu, sandbox=missing))
        self._bridge.operator.start_inspection()

    def _connection_file(self) -> ConnectionFile:
        """Returns what `connection.json` says now."""
        host, port = self._listener.getsockname()[:2]
        certificate, leaf = self._certificate, None
        if certificate is not None:
            host, leaf = certificate.host_for(host), certificate.leaf
            self._bridge.handshake.certified_names = leaf.names
            self._bridge.authenticator.fingerprint = leaf.fingerprint
            self._bridge.ca = leaf.ca
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        secure = "" if leaf is None else "s"
        file = ConnectionFile(
            ws=f"ws{secure}://{address}/ws",
            http=f"http{secure}://{address}",
            token=self._bridge.authenticator.local_token,
            pid=os.getpid(),
            protocol=PROTOCOL,
            fingerprint=leaf.fingerprint if leaf is not None else None,
            ca=leaf.ca if leaf is not None else None,
            unix=os.fspath(self._paths.socket_file) if self._has_local else None,
        )
        self._bridge.operator.address = file.ws
        return file

    def _write(self, file: ConnectionFile) -> None:
        """Writes `connection.json`, and `ca.pem` with TLS. Raises OSError."""
        if file.ca is not None:
            write_private(self._paths.ca_file, file.ca.encode())
        else:
            self._paths.ca_file.unlink(missing_ok=True)
        file.write(self._paths.connection_file)
        self._written = file_state(self._paths.connection_file)

    def _show_certificate(self, leaf: object) -> None:
        """Tells clients of another certificate."""
        try:
            self._write(self._connection_file())
        except OSError as error:
            log.error("can't write %s: %s", self._paths.connection_file, error.strerror)

    def reload_certificate(self, sig: int, frame: FrameType | None) -> None:
        """Handles SIGHUP."""
        if self._certificate is not None and (loop := self._loop) is not None:
            loop.call_soon_threadsafe(self._certificate.reload)

    def _check_home(self) -> None:
        """Writes `connection.json` and locks the lock file again if somebody has deleted or replaced them.

        Ends the daemon if another one was faster, because both would write to the same files.
        """
        if self.lock is not None and not self.lock.renew():
            self._reason = "another daemon uses its folders, whose lock was deleted"
            log.error("PopBridge must stop: %s", self._reason)
            self.should_exit = True
            return
        path = self._paths.connection_file
        if file_state(path) == self._written:
            return
        try:
            make_private_folder(path.parent)
            self._write(self._connection_file())
        except OSError as error:
            # It is tried again each second.
            log.debug("can't write %s: %s", path, error.strerror)
        else:
            log.warning("%s was deleted or replaced while the daemon runs; it is written again", path)

    def _remember_plugins(self) -> None:
        """Logs new plugins, and stores all for the next daemon."""
        registry = self._bridge.registry
        for name in plugin_news(registry):
            log.warning("plugin %s is new, or has another version, since the last start", name)
        try:
            plugins = (
                (one.name, one.distribution, one.version) for one in registry.plugins if not one.is_own
            )
            write_known(self._paths.plugins_file, plugins)
        except OSError as error:
            # They are called new again.
            log.warning("%s can't be written: %s", self._paths.plugins_file, error)

    def _protocol(self, client: ClientSocket) -> asyncio.Protocol:
        """Returns the protocol of an accepted connection."""
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config,
            server_state=self.server_state,
            app_state={CLIENT: client},
            _loop=asyncio.get_running_loop(),
        )
        return made

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        log.info("PopBridge is stopping: %s", self._reason)
        # Windows can't delete a file while a client reads it; the next daemon overwrites it.
        with contextlib.suppress(OSError):
            # Not that of a daemon that has taken over.
            if file_state(self._paths.connection_file) == self._written:
                self._paths.connection_file.unlink(missing_ok=True)
            self._paths.ca_file.unlink(missing_ok=True)
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self._bridge.finish()
        if self._tls is not None:
            self._tls.close()
        await super().shutdown(sockets)
        await self._bridge.stop()
        log.info("PopBridge stopped")


def startup_line(
    ws: str, device: Device, registry: Registry, *, gpu: bool = True, sandbox: AnyText = ""
) -> AnyText:
    """Returns the line that `popbridge serve` prints when ready. `sandbox` is why workers aren't restricted,
    or only in part."""
    adapters = [f"{a.name} ({a.versions})" for a in registry.adapters] or text("none")
    count, broken = len(registry.workloads), registry.disabled
    parts: list[AnyText] = [
        text("PopBridge {version} at {address}", version=__version__, address=ws),
        _in_use(device, gpu),
        text("adapters: {adapters}", adapters=adapters),
        text("workloads: {count} (see `popbridge workloads`)", count=count)
        if count
        else text("workloads: none"),
    ]
    if broken:
        parts.append(text("disabled plugins: {names} (see `popbridge plugins`)", names=[*broken]))
    if registry.blocked:
        parts.append(text("blocked plugins: {names}", names=registry.blocked))
    if news := plugin_news(registry):
        parts.append(text("new plugins: {names} (see `popbridge plugins`)", names=news))
    if sandbox:
        parts.append(text("worker processes aren't fully restricted: {reason}", reason=sandbox))
    return joined(parts, text("{head} | {rest}"))


def plugin_news(registry: Registry) -> list[str]:
    """Returns the plugins that are new, or have another version, since the last daemon, for people."""
    return [
        printable(f"{plugin.name} ({plugin.distribution} {plugin.version})".replace(" )", ")"))
        for plugin in registry.plugins
        if plugin.news
    ]


def _in_use(device: Device, gpu: bool) -> AnyText:
    """Describes the device. Whether a GPU works only becomes known when it is first used."""
    if device.name == "CPU":
        return text("CPU: {reason}", reason=device.reason)
    if device.name != "CUDA":
        return text("CPU: no workload uses {device} yet ({reason})", device=device.name, reason=device.reason)
    if not gpu:
        return text("CPU: {reason} is disabled by the setting gpu", reason=device.reason)
    return text(
        "CPU, and CUDA on {reason} where it is faster (`popbridge devices` tests it)",
        reason=device.reason,
    )


@contextlib.contextmanager
def _lock(paths: Paths) -> Iterator[HomeLock]:
    """Holds the lock of the only daemon. Raises UserError if one is running or a folder can't be used."""
    with contextlib.ExitStack() as held:
        try:
            create_folders(paths)
            lock = held.enter_context(HomeLock(paths))
        except HomeInUseError:
            raise UserError(_is_running(paths)) from None
        except OSError as error:
            raise _cant_use(paths, error) from None
        _refuse_joined(paths)
        # One that was killed left it, and its port may be another user's program's by now.
        with contextlib.suppress(OSError):
            paths.connection_file.unlink()
        yield lock


def _refuse_joined(paths: Paths) -> None:
    """Raises UserError if this machine's editors use a daemon elsewhere, whose place it would take."""
    try:
        file = ConnectionFile.read(paths.connection_file)
    except UserError:
        return
    if file.is_joined:
        raise UserError(
            text(
                "This machine has joined PopBridge at {address}. Run `popbridge join --leave` to use a "
                "daemon here.",
                address=file.http,
            )
        )


def _cant_use(paths: Paths, error: OSError) -> UserError:
    """Returns the error for an unusable folder or lock file."""
    if isinstance(error, FileExistsError):
        return UserError(
            text(
                "{filename} is not a folder. Move it, or set POPBRIDGE_HOME to a folder.",
                filename=error.filename,
            )
        )
    if error.errno == errno.EROFS:
        # On a read-only file system, the lock happens to be the first file to create.
        return UserError(
            text(
                "Can't write to the folder {runtime} ({strerror}). Make it writable, or set "
                "POPBRIDGE_HOME to another folder.",
                runtime=paths.runtime,
                strerror=error.strerror,
            )
        )
    said = (
        text("Can't use the file {name} ({reason}).")
        if error.filename == str(paths.lock_file)
        else text("Can't use the folder {name} ({reason}).")
    )
    return UserError(said.fill(name=error.filename, reason=error.strerror))


def _is_running(paths: Paths) -> AnyText:
    # A daemon that has just started writes the file soon, and one whose file was deleted does so each second.
    deadline = time.monotonic() + 2.0
    while not paths.connection_file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    try:
        file = ConnectionFile.read(paths.connection_file)
    except UserError:
        return text("PopBridge is already running with the data in {data}; stop it first.", data=paths.data)
    return text(
        "PopBridge is already running at {address} (process {pid}); stop it first.",
        address=file.ws,
        pid=file.pid,
    )


@contextlib.contextmanager
def _listen(host: str, port: int, say: Say) -> Iterator[socket.socket]:
    """Opens a listening socket. If `port` is taken, the system chooses another. Raises UserError."""
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
            # Otherwise another program could bind the same port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            # On POSIX this only skips TIME_WAIT; on Windows it would let two processes bind one port.
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
                    "Port {port} is used by {owner}; listening on {chosen} instead (choose with --port).",
                    port=port,
                    owner=port_owner(port),
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


def port_owner(port: int) -> AnyText:
    """Returns the name of the program that listens on a port, if this user can see it."""
    import psutil

    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.pid:
                return text(
                    "{name} (process {pid})", name=psutil.Process(connection.pid).name(), pid=connection.pid
                )
    return text("another program")


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Returns uvloop's factory, or None for asyncio's own loop on Windows.

    winloop doesn't support creation flags, without which each worker opens a console window.
    """
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop
