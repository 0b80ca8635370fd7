"""Unreal runs this file when the editor starts."""

import sys

_written = sys.dont_write_bytecode
# PopBridge compares the plugin's folder with what it installed there.
sys.dont_write_bytecode = True
try:
    import popbridge_unreal

    popbridge_unreal.start()
finally:
    sys.dont_write_bytecode = _written
