"""What a worker can do to the machine once a file or a plugin has taken it over."""

import asyncio
import os
import platform
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import pytest_asyncio

from accel.execution import sandbox
from accel.execution.executor import SANDBOX, Job, LocalExecutor
from accel.execution.sandbox import Sandbox
from accel.workload import Limits, WorkloadError
from bridge.api import RequestError
from bridge.client.client import Client
from bridge.host import host
from tests.security import hostile
from tests.server import daemons

if sys.platform != "win32":
    import resource

pytestmark = [
    pytest.mark.skipif(
        sys.platform != "linux" or bool(sandbox.support()), reason="no sandbox on this system"
    ),
    pytest.mark.own_workers,
]


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """A folder that no worker may write to; the tests' own is open to them."""
    base = Path.home() / f".popbridge-sandbox-test-{os.getpid()}"
    base.mkdir()
    yield base
    for one in sorted(base.rglob("*"), reverse=True):
        one.rmdir() if one.is_dir() and not one.is_symlink() else one.unlink()
    base.rmdir()


async def run(executor, workload, **params):
    out_dir = params.pop("out_dir", None)
    return await executor.run(Job.parse(workload.workload, params, deadline_s=30, out_dir=out_dir))


@pytest.fixture
async def worker():
    local = LocalExecutor(1, Limits(), 0, warm=())
    await local.start()
    yield local
    await local.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared():
    """A worker of several tests: an attack that fails leaves it as it was."""
    local = LocalExecutor(1, Limits(), 0, warm=())
    await local.start()
    yield local
    await local.close()


@pytest.fixture
async def free():
    """A worker without a sandbox: what these attacks do to it shows that they are real."""
    local = LocalExecutor(1, Limits(), 0, warm=(), sandbox=None)
    await local.start()
    yield local
    await local.close()


@pytest.fixture
def listener():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
        udp.bind(("127.0.0.1", 0))
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        udp.settimeout(5)
        tcp.settimeout(5)
        yield {"udp": udp, "tcp": tcp}


async def refused(awaitable, *words: str) -> None:
    with pytest.raises(WorkloadError) as caught:
        await awaitable
    assert caught.value.code == "unsupported"
    assert "worker.sandbox" in str(caught.value.reason)


async def test_a_plugin_without_a_sandbox_could_send_data_away(free, listener):
    await run(free, hostile.connects, way="udp", target=str(listener["udp"].getsockname()[1]))
    assert listener["udp"].recv(100) == b"stolen"
    await run(free, hostile.connects, way="tcp", target=str(listener["tcp"].getsockname()[1]))
    listener["tcp"].accept()[0].close()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("way", ["udp", "tcp", "tcp6", "netlink", "packet"])
async def test_a_workload_that_opens_a_socket_fails_with_an_error_that_names_the_setting(
    shared, listener, way
):
    port = listener.get(way, listener["tcp"]).getsockname()[1]
    await refused(run(shared, hostile.connects, way=way, target=str(port)))
    assert await echo(shared) == "made"


async def test_a_workload_reaches_no_unix_socket_either(worker, outside):
    path = outside / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        await refused(run(worker, hostile.connects, way="unix", target=str(path)))


async def test_a_pair_of_sockets_sends_nothing_to_another_one(worker, free, outside):
    path = outside / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(path))
        server.setblocking(False)
        await refused(run(worker, hostile.connects, way="pair", target=str(path)))
        with pytest.raises(BlockingIOError):
            server.recv(100)
        await run(free, hostile.connects, way="pair", target=str(path))
        assert server.recv(100) == b"stolen"


async def test_a_ring_makes_no_socket_because_there_is_no_ring(worker):
    with pytest.raises(WorkloadError) as caught:
        await run(worker, hostile.connects, way="ring")
    assert caught.value.code == "internal"


WAYS = [
    "write",
    "append",
    "truncate",
    "remove",
    "folder",
    "rename",
    "replace",
    "symlink",
    "child",
    "link out",
    "mode",
    "mode of an open file",
    "owner",
    "attribute",
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("way", WAYS)
async def test_a_file_outside_stays_as_it_is(shared, outside, way):
    victim = outside / "victim.txt"
    victim.write_text("precious")
    victim.chmod(0o600)
    with pytest.raises(WorkloadError) as caught:
        await run(shared, hostile.changes, way=way, target=str(victim))
    assert caught.value.code in ("unsupported", "internal")
    assert victim.read_text() == "precious"
    assert victim.stat().st_mode & 0o777 == 0o600
    assert os.listxattr(victim) == []
    assert sorted(outside.glob("victim*")) == [victim]


async def test_without_a_sandbox_the_file_is_overwritten(free, outside):
    victim = outside / "victim.txt"
    victim.write_text("precious")
    await run(free, hostile.changes, way="write", target=str(victim))
    assert victim.read_text() == "taken over"


@pytest.mark.parametrize("way", ["signal", "limit"])
async def test_a_worker_ends_no_process_of_its_user(worker, way):
    if way == "signal" and sandbox.landlock_abi() < 6:
        pytest.skip("this kernel's Landlock doesn't know signals")
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as victim:
        try:
            await refused(run(worker, hostile.signals, way=way, target=str(victim.pid)))
            assert victim.poll() is None
            assert resource.prlimit(victim.pid, resource.RLIMIT_CPU)[0] == resource.RLIM_INFINITY
        finally:
            victim.kill()


async def test_a_worker_inherits_neither_descriptors_nor_keys(monkeypatch, outside):
    monkeypatch.setenv("POPBRIDGE_MASTER_KEY", "secret")
    monkeypatch.setenv("SOME_API_TOKEN", "secret")
    leaked = os.open(outside / "leaked", os.O_CREAT | os.O_WRONLY)
    os.set_inheritable(leaked, True)
    local = LocalExecutor(1, Limits(), 0, warm=())
    await local.start()
    try:
        seen = (await run(local, hostile.looks)).value
    finally:
        await local.close()
        os.close(leaked)
    assert seen["no_new_privs"] == "1"
    assert seen["seccomp"] == "2"
    assert not {"POPBRIDGE_MASTER_KEY", "SOME_API_TOKEN"} & set(seen["environment"])
    files = [path for path in seen["fds"].values() if path.startswith("/") and not path.startswith("/dev/")]
    assert [path for path in files if str(outside) in path] == []
    # stdin, stdout and stderr, the two pipes, and the folder that is listed.
    assert len(seen["fds"]) <= 6


async def echo(executor, **more):
    return (await run(executor, hostile.files, target="text", **more)).value


async def test_output_files_reach_their_folder_and_the_workers_folder_goes_with_it(worker, outside, tmp_path):
    folder = Path((await run(worker, hostile.looks)).value["folder"])
    for out_dir in (outside, tmp_path):
        file, same = (await run(worker, hostile.files, target="text", out_dir=out_dir)).files
        assert (same.path, same.fresh) == (file.path, False)
        assert Path(file.path).parent == out_dir
        assert Path(file.path).read_bytes() == b"text"
        assert file.fresh
        again = (await run(worker, hostile.files, target="text", out_dir=out_dir)).files
        assert not any(one.fresh for one in again)
        assert [one.name for one in folder.iterdir()] == ["scratch"]
    await worker.close()
    assert not folder.exists()


async def test_a_worker_in_a_folder_of_the_daemons_starts_there(outside):
    local = LocalExecutor(1, Limits(), 0, warm=(), sandbox=Sandbox(str(outside)))
    await local.start()
    try:
        assert Path((await run(local, hostile.looks)).value["folder"]).parent == outside
    finally:
        await local.close()


@pytest.mark.parametrize("abi", [0, 1, 2, 3, 4, 5])
def test_older_kernels_get_what_they_know(abi, outside):
    """The ruleset is built for each version; this kernel takes those of older ones, too."""
    victim = outside / "older.txt"
    victim.write_text("precious")
    code = (
        "import sys, tempfile, socket; from accel.execution import sandbox\n"
        f"sandbox.landlock_abi = lambda: {abi}\n"
        "sandbox.restrict(sandbox.Sandbox(tempfile.mkdtemp()))\n"
        "try: socket.socket(); print('network')\n"
        "except PermissionError: pass\n"
        f"try: open({str(victim)!r}, 'w'); print('files')\n"
        "except PermissionError: pass\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == (["files"] if abi == 0 else [])


def test_a_process_for_a_gpu_may_use_local_sockets_but_no_network():
    code = (
        "import socket, tempfile; from accel.execution import sandbox\n"
        "sandbox.restrict(sandbox.Sandbox(tempfile.mkdtemp(), gpu=True))\n"
        "socket.socket(socket.AF_UNIX).close(); open('/dev/null', 'w').close()\n"
        "for family in (socket.AF_INET, socket.AF_INET6, socket.AF_PACKET):\n"
        "    try: socket.socket(family); print(family)\n"
        "    except PermissionError: pass\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="an ABI of x86-64")
def test_the_x32_calls_end_the_process():
    code = (
        "import ctypes, tempfile; from accel.execution import sandbox\n"
        "sandbox.restrict(sandbox.Sandbox(tempfile.mkdtemp()))\n"
        "ctypes.CDLL(None).syscall(0x40000000 + 41, 2, 1, 0)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode < 0


def test_entering_the_sandbox_takes_less_than_two_milliseconds():
    code = (
        "import time, tempfile; from accel.execution import sandbox\n"
        "folder = tempfile.mkdtemp(); begin = time.perf_counter()\n"
        "sandbox.restrict(sandbox.Sandbox(folder)); print(time.perf_counter() - begin)\n"
    )
    took = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(3)
    ]
    assert min(took) < 0.002


def test_the_default_is_a_sandbox():
    assert isinstance(SANDBOX, Sandbox)


@pytest.fixture
def with_plugin(monkeypatch):
    """Daemons of this test have the hostile plugin."""

    class Plugin:
        @staticmethod
        @host.hooks.hookimpl
        def popbridge_workloads():
            return [hostile.connects.workload, hostile.looks.workload]

    monkeypatch.setattr(daemons, "registry", lambda: host.load({"hostile": Plugin}, installed=False))


@pytest.mark.usefixtures("with_plugin")
@pytest.mark.parametrize("on", [True, False])
async def test_a_daemons_plugin_reaches_the_network_only_if_the_user_says_so(tmp_path, listener, on):
    leftover = tmp_path / "home" / "workers" / "popbridge-worker-old" / "file"
    leftover.parent.mkdir(parents=True)
    leftover.touch()
    running = await asyncio.to_thread(daemons.ThreadDaemon(tmp_path / "home", worker__sandbox=on).start)
    try:
        assert ("worker.sandbox" in running.lines[0]) is not on
        port = str(listener["udp"].getsockname()[1])
        async with await Client.connect(running.paths.connection_file) as client:
            folder = (await client.request("hostile.look")).value["folder"]
            send = client.request("hostile.connect", {"way": "udp", "target": port})
            if on:
                assert Path(folder).parent == running.paths.workers
                assert not leftover.exists()
                with pytest.raises(RequestError) as caught:
                    await send
                assert caught.value.code.name == "unsupported"
                assert "worker.sandbox" in str(caught.value)
            else:
                assert (await send).value == "connected"
    finally:
        await asyncio.to_thread(running.stop)
    assert not Path(folder).exists() or not on
