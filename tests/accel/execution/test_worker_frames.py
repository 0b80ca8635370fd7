import subprocess
import sys

import pytest

CODE = """
import sys, time
from accel.execution.worker import open_frame_source
sys.platform = {platform!r}
frames = open_frame_source(sys.stdin.buffer)
print(frames.take().decode(), frames.idle(), flush=True)
while frames.idle():
    time.sleep(0.001)
print(frames.take().decode(), flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("platform", ["linux", "another"])
@pytest.mark.parametrize("cut", [0, 2, 7])
def test_a_worker_takes_frames_one_by_one_and_ends_with_whoever_sent_them(platform, cut):
    if platform == "linux" != sys.platform:
        pytest.skip("only Linux tells of a hangup alone")
    with subprocess.Popen(
        [sys.executable, "-c", CODE.format(platform=platform)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as child:  # fmt: skip
        child.stdin.write(b"\0\0\0\5first")
        child.stdin.flush()
        assert child.stdout.readline().strip() == b"first True"
        # Without a cut it has its second job, and would be at it for a minute.
        second = b"\0\0\0\6second"
        child.stdin.write(second[:cut] if cut else second)
        child.stdin.flush()
        if not cut:
            assert child.stdout.readline().strip() == b"second"
        child.stdin.close()
        assert child.wait(20) == 0 and child.stderr.read() == b""
