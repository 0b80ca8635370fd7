"""Unity's version strings: `2022.3.62f1`, `6000.5.0b4`; alpha < beta < final < patch."""

from bridge.api import VersionScheme

# f and p are releases of their own (f1 < f2 < p1), which PEP 440 can only say as post-releases.
SCHEME = VersionScheme(engine="unity", stages={"a": "a", "b": "b", "f": ".post", "p": ".post1000"})
