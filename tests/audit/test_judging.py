"""Textures are judged when all are known, each by the others too; the shipped experience is the real one."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from accel.texture import context
from accel.texture.classification import Classification
from accel.texture.kinds import KINDS, Kind
from bridge import host
from bridge.api import TextureAsset
from bridge.audit.examine import Answer, Question, Trouble
from bridge.audit.judging import Judging
from bridge.audit.project import find
from bridge.audit.results import Report
from bridge.core.errors import UserError
from tests.audit.doubles import examination

OTHERS = 40


def answer(file: str, kind: Kind, share: float = 0.9, second: Kind | None = None) -> Answer:
    probabilities = dict.fromkeys(KINDS, 0.001)
    probabilities[second or kind] += 1 - share - 0.011
    probabilities[kind] += share
    found = msgspec.structs.replace(
        examination("ui", file.encode()), classification=Classification(kind, probabilities, False, [])
    )
    return Answer(Question(file, {}), found, 1, False)


@pytest.fixture
def judging(registry: host.Registry, tmp_path: Path) -> Judging:
    (tmp_path / "icons").mkdir()
    return Judging(find(registry, tmp_path / "icons"), Report(name="icons", root="icons", engine=""), 4096)


def take(judging: Judging, *answers: Answer) -> None:
    for one in answers:
        judging.take(TextureAsset(one.question.file, one.question.file), one)


async def test_a_doubtful_picture_among_widgets_counts_as_one(judging: Judging) -> None:
    take(judging, answer("a.png", "sprite", 0.5, "ui"))
    take(judging, *(answer(f"{place}.png", "ui") for place in range(OTHERS)))
    await judging.finish()
    assert judging._report.kinds == {"ui": OTHERS + 1}
    assert judging._report.textures == len(judging.seen) == OTHERS + 1


async def test_alone_it_is_what_its_pixels_say(judging: Judging) -> None:
    take(judging, answer("a.png", "sprite", 0.5, "ui"))
    await judging.finish()
    assert judging._report.kinds == {"sprite": 1}


async def test_what_could_not_be_examined_is_no_neighbour(judging: Judging) -> None:
    broken = [
        Answer(Question(f"{place}.png", {}), Trouble("bad_input", "is corrupt"), 5, False)
        for place in range(OTHERS)
    ]
    take(judging, answer("a.png", "sprite", 0.5, "ui"), *broken)
    await judging.finish()
    assert judging._report.kinds == {"sprite": 1}
    assert [row.size for row in judging._report.rows] == [5] * OTHERS


async def test_what_a_busy_machine_did_not_get_done_is_no_mistake_of_the_file(judging: Judging) -> None:
    late = Trouble("deadline_exceeded", "wasn't done within 60000 ms")
    take(judging, Answer(Question("a.png", {}), late, 5, False))
    (issue,) = judging._report.rows[0].issues
    assert (issue.code, issue.severity) == ("unsupported", "note")


async def test_a_damaged_installation_is_told_before_the_work_where_it_matters(
    judging: Judging, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(context, "experience", lambda: context.read(tmp_path / "gone.npz"))
    with pytest.raises(UserError, match=r"can't be judged: .*gone\.npz.*install popbridge again"):
        judging.prepare(context.FEWEST + 1)
    # So few say nothing of one another.
    judging.prepare(context.FEWEST)
    take(judging, *(answer(f"{place}.png", "ui") for place in range(context.FEWEST)))
    await judging.finish()
    assert judging._report.kinds == {"ui": context.FEWEST}
