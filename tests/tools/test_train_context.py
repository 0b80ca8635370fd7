"""Tests of the context of textures: the predictions for the others of their project."""

from __future__ import annotations

import numpy as np
import pytest

from accel.texture.context import FEWEST, Neighbours, load_context_model, read
from accel.texture.kinds import LEARNED_KINDS
from tools.train.context import SAMPLINGS, Predictions, context_of, predict_in_context, write

UI, SPRITE = LEARNED_KINDS.index("ui"), LEARNED_KINDS.index("sprite")
EACH = 40


def predictions() -> Predictions:
    """Two projects, one of widgets and one of sprites; a third of the predictions is undecided."""
    kinds = np.repeat([UI, SPRITE], EACH)
    alone = np.full((len(kinds), len(LEARNED_KINDS)), 0.001)
    alone[np.arange(len(kinds)), kinds] = 0.9
    alone[::3, [UI, SPRITE]] = 0.45
    alone /= alone.sum(axis=1, keepdims=True)
    sources = np.repeat(["widgets", "game"], EACH)
    paths = np.array([f"{source}/pack.zip!x/{place}.png" for place, source in enumerate(sources)])
    sizes = np.full((len(kinds), 2), 64)
    return Predictions(alone, kinds, sources, paths, sizes, np.ones(len(kinds), bool))


def test_the_project_decides_undecided_textures() -> None:
    asked = predictions()
    found = predict_in_context(load_context_model(), asked)
    for source, kind in (("widgets", UI), ("game", SPRITE)):
        doubtful = (asked.sources == source) & (asked.probabilities[:, UI] == asked.probabilities[:, SPRITE])
        assert found[doubtful, kind].mean() > asked.probabilities[doubtful, kind].mean()


def test_the_model_is_read_as_it_was_written(tmp_path) -> None:
    write(load_context_model(), tmp_path / "context.npz")
    again = read(tmp_path / "context.npz")
    assert np.array_equal(
        predict_in_context(again, predictions()), predict_in_context(load_context_model(), predictions())
    )
    assert (again.pixels, again.names) == (load_context_model().pixels, load_context_model().names)


def test_others_are_all_of_the_source_but_the_texture_itself() -> None:
    asked = predictions()
    sums, *_ = context_of(asked).others
    assert np.allclose(sums[0] + asked.probabilities[0], asked.probabilities[:EACH].sum(axis=0))
    assert np.allclose(sums[EACH] + asked.probabilities[EACH], asked.probabilities[EACH:].sum(axis=0))


def test_nearer_others_lie_in_the_same_folder() -> None:
    asked = predictions()
    asked.paths[0] = "widgets/pack.zip!y/0.png"
    _, folder, beside = context_of(asked).others
    assert folder[0] == pytest.approx(0)
    assert np.allclose(beside[0] + asked.probabilities[0], asked.probabilities[:EACH].sum(axis=0))


def test_others_of_the_same_size_are_counted_as_projects_count_them() -> None:
    asked = predictions()
    asked.sizes[:10] = 16, 32
    asked.paths[1:10] = "widgets/pack.zip!y/1.png"
    found = Neighbours()
    files = [path.replace("!", "/") for path in asked.paths[:EACH].tolist()]
    sizes = [(width, height) for width, height in asked.sizes[:EACH].tolist()]
    for file, size in zip(files, sizes, strict=True):
        found.add(file, size, np.zeros(len(LEARNED_KINDS), np.int64))
    assert np.allclose(context_of(asked).alike[:, :EACH], found.same_size_shares(files, sizes))
    assert context_of(asked).alike[:, 0] == pytest.approx([9.5 / EACH, 0.5 / (EACH - 9)])


def test_a_source_of_few_textures_has_no_context() -> None:
    few = predictions().take(np.arange(FEWEST))
    assert np.array_equal(predict_in_context(load_context_model(), few), few.probabilities)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_a_texture_is_never_among_its_own_others(sampling) -> None:
    one = predictions().take(np.array([0]))
    assert context_of(one, sampling, 3).others == pytest.approx(0)


def test_samplings_change_the_mixture_of_kinds() -> None:
    asked = predictions()
    sums = [context_of(asked, sampling, 3).others[0, 0] for sampling in SAMPLINGS]
    mixtures = [one / one.sum() for one in sums]
    assert np.abs(mixtures[-1] - mixtures[0]).max() > 0.001
