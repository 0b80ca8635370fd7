"""The event loops on which the daemon may run."""

import asyncio
import sys

LOOPS = [asyncio.new_event_loop]
if sys.platform != "win32":
    import uvloop

    LOOPS.append(uvloop.new_event_loop)
