import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from accel.image.inspect import inspect_picture
from accel.texture import context as module
from accel.texture.context import (
    COUNTED,
    FEWEST,
    FILE,
    LEVELS,
    Context,
    ContextRows,
    columns,
    load_context_model,
    read,
)
from accel.texture.kinds import KINDS, LEARNED_KINDS, Classification, Evidence
from accel.texture.model import CLASSES, NEVER, pad
from accel.texture.model import FILE as MODEL
from accel.texture.verdict import WORD
from accel.workload import WorkloadError
from tests.accel.texture.pictures import bricks, decoded


def taken(kind, share=0.9, second=None, *evidence):
    """What is taken for one kind, and for a second with most of the rest."""
    rest = 1 - share
    probabilities = dict.fromkeys(KINDS, rest * 0.1 / len(KINDS))
    probabilities[kind] += share
    probabilities[second or kind] += rest * 0.9
    return Classification(kind, probabilities, False, [Evidence("pixels", "seen", kind), *evidence])


COLORS = inspect_picture(decoded(bricks(64)), 0)[0]
DOUBTFUL = taken("sprite", 0.5, "ui")
SIZE, ICON = (64, 64), (32, 32)


def image(size=SIZE):
    """A plain colour image of this size."""
    return replace(COLORS, width=size[0], height=size[1])


def project_of(found, folder="a"):
    """Files `a/0.png` and so on, each with what it is taken for."""
    project = Context()
    files = [f"{folder}/{place}.png" for place in range(len(found))]
    for file, one in zip(files, found, strict=True):
        project.add(file, SIZE, one)
    return project, files


def judged(others, one=DOUBTFUL):
    project, files = project_of([*others, one])
    (found,) = project.judge(files[-1:], [image()], [one])
    return found


def told(found: Classification) -> tuple[str, str, object]:
    last = found.evidence[-1]
    return last.source, last.detail, last.kind


def test_among_widgets_a_doubtful_picture_is_one():
    found = judged([taken("ui")] * 40)
    assert found.kind == "ui"
    assert found.probabilities["ui"] > 0.55 > DOUBTFUL.probabilities["ui"]
    assert found.evidence[:-1] == DOUBTFUL.evidence
    assert told(found) == ("project", "99% of its project's textures", "ui")


def test_among_sprites_it_is_a_sprite():
    found = judged([taken("sprite")] * 40)
    assert found.kind == "sprite"
    assert found.probabilities["sprite"] > DOUBTFUL.probabilities["sprite"]


def test_in_a_folder_of_widgets_it_is_one_though_the_project_is_of_sprites():
    project, _ = project_of([taken("sprite")] * 60, "levels/1")
    for place in range(20):
        project.add(f"menu/{place}.png", ICON, taken("ui"))
    project.add("menu/x.png", ICON, DOUBTFUL)
    project.add("levels/1/x.png", SIZE, DOUBTFUL)
    beside, among = project.judge(["levels/1/x.png", "menu/x.png"], [image(), image(ICON)], [DOUBTFUL] * 2)
    assert (beside.kind, among.kind) == ("sprite", "ui")
    assert told(among) == ("project", "99% of its folder's textures", "ui")


def test_folders_of_the_same_parent_speak_too():
    doubtful = taken("ui", 0.4, "sprite")
    project, _ = project_of([taken("albedo")] * 200, "levels/1")
    for place in range(60):
        project.add(f"ui/buttons/{place}.png", SIZE, taken("ui"))
    asked = ["ui/icons/x.png", "levels/2/x.png"]
    for file in asked:
        project.add(file, SIZE, doubtful)
    near, far = project.judge(asked, [image()] * 2, [doubtful] * 2)
    assert near.kind == "ui"
    assert near.probabilities["ui"] > far.probabilities["ui"]
    assert told(near) == ("project", "99% of those in the folders beside it", "ui")


def test_its_class_is_advised_on_where_the_project_leaves_no_doubt():
    doubtful = taken("albedo", 0.95, "sprite")
    materials = [taken(kind) for kind in ("albedo", "albedo", "normal", "roughness") for _ in range(20)]
    assert judged(materials, doubtful).advise
    assert not judged([taken("sprite")] * 80, doubtful).advise


def test_a_name_lets_it_be_sure_of_less():
    materials = [taken(kind) for kind in ("albedo", "packed", "normal", "packed") for _ in range(20)]
    name = Evidence("name", "_orm", "packed")
    shares = [place / 100 for place in range(40, 100)]
    bare = [judged(materials, taken("packed", share, "albedo")).advise for share in shares]
    named = [judged(materials, taken("packed", share, "albedo", name)).advise for share in shares]
    assert sum(named) > sum(bare) > 0


def test_a_few_others_say_nothing():
    assert judged([taken("ui")] * (FEWEST - 1)) == DOUBTFUL


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("sprite", "slot"), ("ao", "name"), ("environment", "settings"), ("environment", "pixels"),
        ("other", "pixels"), ("other", "name"), ("height", "slot"),
    ],
)  # fmt: skip
def test_what_is_decided_is_not_guessed_again(kind, source):
    decided = taken(kind, 0.6, "ui", Evidence(source, "decides", kind, decisive=True))
    assert judged([taken("ui")] * 40, decided) == decided
    undecided = taken(kind, 0.6, "ui", Evidence(source, "doesn't decide", kind))
    assert kind == "other" or judged([taken("ui")] * 40, undecided) != undecided


def test_a_project_may_confirm_what_is_decided():
    word = Evidence("name", "_ao", "ao", decisive=True)
    decided = taken("ao", 0.6, "albedo", word)
    materials = [taken(kind) for kind in ("albedo", "normal", "roughness", "ao") for _ in range(20)]
    found = judged(materials, decided)
    assert found.kind == "ao" and found.confidence >= decided.confidence


@pytest.mark.parametrize("kinds", [KINDS, LEARNED_KINDS])
def test_a_model_may_know_other_data_or_not(tmp_path, monkeypatch, kinds):
    with np.load(module.FILE) as found:
        arrays = dict(found)
    usual, count = arrays["usual"], len(kinds)
    arrays["kinds"], arrays["usual"] = np.array(kinds), np.append(usual, 0.01)[:count]
    # As trees may split by any column, one does so by the last.
    arrays["features"] = np.where(arrays["features"] == arrays["features"].max(), 4 * count + 1, 0)
    arrays["outputs"] = np.array(count)
    arrays["roots"] = arrays["roots"][: len(arrays["roots"]) // count * count]
    file = tmp_path / "context.npz"
    np.savez(file, **arrays)
    known = read(file)
    monkeypatch.setattr(module, "load_context_model", lambda: known)
    shares = pad(np.full(len(LEARNED_KINDS), 1 / len(LEARNED_KINDS)))
    rows = ContextRows(shares[None], np.zeros((len(LEVELS), 1, len(KINDS))), np.full((len(COUNTED), 1), 0.5))
    now = known.weigh_all(rows)
    assert now.shape == (1, len(KINDS)) and now.sum() == pytest.approx(1)
    assert bool(now[0, -1] > 0) is (kinds == KINDS)
    assert judged([taken("ui")] * 40).confidence > 0


def test_what_is_certain_stays():
    assert judged([taken("ui")] * 40, taken("normal", 0.999)).kind == "normal"


def test_what_was_removed_no_longer_counts():
    project, _ = project_of([taken("sprite")] * 40)
    added = {f"b/{share}.png": taken("ui", share / 100) for share in range(60, 100)}
    portions = {file: project.add(file, SIZE, found) for file, found in added.items()}
    project.add("a/x.png", SIZE, DOUBTFUL)
    for file, one in portions.items():
        project.remove(file, SIZE, one)
    assert project.judge(["a/x.png"], [image()], [DOUBTFUL]) == [judged([taken("sprite")] * 40)]


@given(st.permutations(range(60, 100)))
def test_it_makes_no_difference_in_which_order_textures_are_examined(shares):
    others = [taken("ui", share / 100, "sprite") for share in range(60, 100)]
    assert judged([others[share - 60] for share in shares]) == judged(others)


def test_textures_judged_together_are_judged_as_each_is_alone():
    some = [taken(kind, share / 100, "ui") for kind in KINDS for share in range(50, 100, 5)]
    project, files = project_of(some)
    alone = [project.judge([file], [image()], [one]) for file, one in zip(files, some, strict=True)]
    assert [[found] for found in project.judge(files, [image()] * len(some), some)] == alone


def test_one_that_was_forgotten_meanwhile_is_still_judged():
    project, _ = project_of([taken("ui")] * 40)
    assert project.judge(["x.png"], [image()], [taken("normal", 0.999)])[0].kind == "normal"


def test_nothing_asked_is_nothing_judged():
    project, _ = project_of([taken("ui")] * 40)
    assert project.judge([], [], []) == []


def test_its_size_tells_what_is_doubtful():
    project, files = project_of([taken("ui"), taken("sprite")] * 20 + [DOUBTFUL])
    small, large = (project.judge(files[-1:], [image(size)], [DOUBTFUL])[0] for size in (SIZE, (1024, 1024)))
    assert abs(small.probabilities["ui"] - large.probabilities["ui"]) > 0.02


def test_probabilities_sum_to_one():
    assert sum(judged([taken("ui")] * 40).probabilities.values()) == pytest.approx(1)


def test_a_project_like_all_others_shows_no_ratio():
    usual, others = load_context_model().usual, len(LEARNED_KINDS) * len(LEVELS)
    sums, alike = np.array([[usual * 100]] * len(LEVELS)), np.full((len(COUNTED), 1), 0.5)
    shown = columns(ContextRows(np.array([usual]), sums, alike), usual)
    assert shown[0, len(LEARNED_KINDS) :][:others] == pytest.approx(0, abs=1e-6)
    assert shown[0, len(LEARNED_KINDS) + others :].tolist() == [0.5, 0.5]


def test_what_is_shipped_is_small_beside_the_model():
    assert FILE.stat().st_size + MODEL.stat().st_size <= 2_000_000
    for sureness in (load_context_model().pixels, load_context_model().names):
        assert set(sureness.thresholds) >= set(CLASSES) - {"other"}
        assert all(WORD < one <= NEVER for one in sureness.thresholds.values())


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(WorkloadError, match="install popbridge again"):
        read(tmp_path / "context.npz")


def test_a_damaged_file_says_what_to_do(tmp_path):
    damaged = tmp_path / "context.npz"
    damaged.write_bytes(FILE.read_bytes()[:1000])
    with pytest.raises(WorkloadError, match="can't be used"):
        read(damaged)


@pytest.mark.parametrize(
    "changed",
    [
        {"kinds": lambda _: np.array(["a", "b"])}, {"levels": lambda _: np.array(["project"])},
        {"splits": lambda _: np.zeros(1)}, {"usual": lambda usual: usual[1:]},
        {"features": lambda columns: np.minimum(columns, 43)}, {"features": lambda columns: columns + 1},
    ],
)  # fmt: skip
def test_a_file_of_another_version_is_refused(tmp_path, changed):
    with np.load(module.FILE) as found:
        arrays = {**found, **{name: change(found[name]) for name, change in changed.items()}}
    np.savez(tmp_path / "context.npz", **arrays)
    with pytest.raises(WorkloadError, match="can't be used"):
        read(tmp_path / "context.npz")
