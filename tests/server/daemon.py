"""The daemon as a process for tests: the tests' plugin, a port that the system chooses."""

from __future__ import annotations

import os
import sys

from bridge.core.errors import UserError
from bridge.core.settings import resolve
from bridge.paths import Paths
from bridge.server.serve import main
from tests.server.daemons import registry

if __name__ == "__main__":
    known = registry()
    defaults = {"POPBRIDGE_PORT": "0", "POPBRIDGE_WORKERS": "1"}
    try:
        main(resolve(known.settings, environment={**defaults, **os.environ}), Paths.find(), known)
    except UserError as error:
        print(error)
        sys.exit(2)
