"""Unreal's version strings: `5.6.1-44394996+++UE5+Release-5.6`; only the dotted numbers order them."""

from bridge.api import VersionScheme

SCHEME = VersionScheme(engine="unreal", stages={"preview": "rc"}, title="Unreal", example="5.4.4")
