"""Projects are learned from whole: what each texture is taken for, and what all others of its source are."""

from __future__ import annotations

import numpy as np
import pytest

from accel.texture.context import FEWEST, experience, read
from accel.texture.kinds import KINDS
from accel.texture.neighbours import Neighbours
from tools.train.projects import DRAWS, Taken, around, weighed, write

UI, SPRITE = KINDS.index("ui"), KINDS.index("sprite")
EACH = 40


def taken() -> Taken:
    """A project of nothing but widgets and one of nothing but sprites; a third can't be told apart alone."""
    kinds = np.repeat([UI, SPRITE], EACH)
    alone = np.full((len(kinds), len(KINDS)), 0.001)
    alone[np.arange(len(kinds)), kinds] = 0.9
    alone[::3, [UI, SPRITE]] = 0.45
    alone /= alone.sum(axis=1, keepdims=True)
    sources = np.repeat(["widgets", "game"], EACH)
    paths = np.array([f"{source}/pack.zip!x/{place}.png" for place, source in enumerate(sources)])
    sizes = np.full((len(kinds), 2), 64)
    return Taken(alone, kinds, sources, paths, sizes, np.ones(len(kinds), bool))


def test_a_project_tells_what_its_doubtful_textures_are() -> None:
    asked = taken()
    found = weighed(experience(), asked)
    for source, kind in (("widgets", UI), ("game", SPRITE)):
        doubtful = (asked.sources == source) & (asked.alone[:, UI] == asked.alone[:, SPRITE])
        assert found[doubtful, kind].mean() > asked.alone[doubtful, kind].mean()


def test_what_was_learned_is_read_as_it_was_written(tmp_path) -> None:
    write(experience(), tmp_path / "context.npz")
    again = read(tmp_path / "context.npz")
    assert np.array_equal(weighed(again, taken()), weighed(experience(), taken()))
    assert (again.pixels, again.names) == (experience().pixels, experience().names)


def test_others_are_all_of_the_source_but_oneself() -> None:
    asked = taken()
    sums, *_ = around(asked).others
    assert np.allclose(sums[0] + asked.alone[0], asked.alone[:EACH].sum(axis=0))
    assert np.allclose(sums[EACH] + asked.alone[EACH], asked.alone[EACH:].sum(axis=0))


def test_nearer_others_lie_in_the_same_folder() -> None:
    asked = taken()
    asked.paths[0] = "widgets/pack.zip!y/0.png"
    _, folder, beside = around(asked).others
    assert folder[0] == pytest.approx(0)
    assert np.allclose(beside[0] + asked.alone[0], asked.alone[:EACH].sum(axis=0))


def test_others_of_the_same_size_are_counted_as_projects_count_them() -> None:
    asked = taken()
    asked.sizes[:10] = 16, 32
    asked.paths[1:10] = "widgets/pack.zip!y/1.png"
    found = Neighbours()
    files = [path.replace("!", "/") for path in asked.paths[:EACH].tolist()]
    sizes = [(width, height) for width, height in asked.sizes[:EACH].tolist()]
    for file, size in zip(files, sizes, strict=True):
        found.add(file, size, np.zeros(len(KINDS), np.int64))
    assert np.allclose(around(asked).alike[:, :EACH], found.alike(files, sizes))
    assert around(asked).alike[:, 0] == pytest.approx([9.5 / EACH, 0.5 / (EACH - 9)])


def test_a_source_of_few_textures_is_judged_alone() -> None:
    few = taken().take(np.arange(FEWEST))
    assert np.array_equal(weighed(experience(), few), few.alone)


@pytest.mark.parametrize("draw", DRAWS)
def test_a_texture_is_never_among_its_own_others(draw) -> None:
    one = taken().take(np.array([0]))
    assert around(one, draw, 3).others == pytest.approx(0)


def test_draws_mix_projects_otherwise_than_they_were_labelled() -> None:
    asked = taken()
    sums = [around(asked, draw, 3).others[0, 0] for draw in DRAWS]
    mixtures = [one / one.sum() for one in sums]
    assert np.abs(mixtures[-1] - mixtures[0]).max() > 0.001
