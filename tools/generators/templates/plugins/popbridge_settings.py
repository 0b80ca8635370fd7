from collections.abc import Sequence

from bridge.api import Setting, hookimpl


@hookimpl
def popbridge_settings() -> Sequence[Setting]:
    return [Setting(name="acme.quiet", type=bool, default=False, help="Whether Acme's advisor keeps still.")]
