"""What a daemon and a command at the shell don't load to keep or to look at what is stored."""

from __future__ import annotations

import subprocess
import sys

import pytest

ALL_THAT_STARTS = (
    "import sys, bridge.cli, bridge.server.serve, bridge.store.integrity; from bridge.host import host; "
)


@pytest.mark.parametrize("then", ["", "host.load()"])
def test_neither_daemon_nor_commands_load_numpy(then: str) -> None:
    looked = f"{ALL_THAT_STARTS}{then}\nassert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", looked], check=True, timeout=60)


def test_it_can_be_loaded_afterwards() -> None:
    later = "import bridge.store, numpy; assert numpy.arange(3).sum() == 3"
    subprocess.run([sys.executable, "-c", later], check=True, timeout=60)
