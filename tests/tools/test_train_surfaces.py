"""Tests of the surface network's dataset and metrics."""

import numpy as np
import pytest

from accel.workload import Input
from tests.accel.conftest import image
from tools.train import fetch as fetching
from tools.train.surfaces import evaluate
from tools.train.surfaces.dataset import (
    COLUMNS,
    DUPLICATE_CORRELATION,
    HELD_OUT,
    HELD_OUT_GENERATORS,
    Example,
    fetch_materials,
    materials,
    normals_of,
    read_examples,
    render_examples,
    slopes_of,
    sobel,
    thumbnail,
)  # fmt: skip


@pytest.fixture
def save(tmp_path):
    def write(name, pixels):
        path = tmp_path / name
        path.write_bytes(image(pixels).write_to_buffer(".png"))
        return Input(name, str(path))

    return write


def example(**maps):
    rng = np.random.default_rng(5)
    albedo = rng.integers(0, 255, (40, 48, 3), np.uint8)
    return Example("s", "n", albedo, **{"slopes": None, "height": None, "roughness": None, **maps})


def test_each_material_comes_from_a_known_package_with_colours_and_a_map():
    known = {source.id for source in fetching.sources()}
    rows = materials()
    assert len(rows) > 800 and set(HELD_OUT) < {row["source"] for row in rows} <= known
    assert all(row["albedo"] and (row["normal"] or row["roughness"]) for row in rows)
    assert len({tuple(row.values()) for row in rows}) == len(rows)


def test_packages_of_a_family_are_on_one_side():
    families = {source.id: source.family for source in fetching.sources()}
    held = {families[name] for name in HELD_OUT}
    assert not held & {families[row["source"]] for row in materials() if row["source"] not in HELD_OUT}


def test_slopes_and_vectors_are_each_others_inverse():
    slopes = np.random.default_rng(1).normal(0, 1, (2, 9, 7)).astype(np.float32)
    vectors = np.moveaxis(normals_of(slopes), 0, -1)
    assert np.allclose((vectors**2).sum(-1), 1, atol=1e-5) and np.allclose(
        slopes_of(vectors), slopes, atol=1e-3
    )


def test_a_surface_that_rises_down_the_page_looks_up_the_page():
    rise = sobel(np.repeat(np.arange(9, dtype=np.float32)[:, None], 9, 1))[:, 4, 4]
    assert rise.tolist() == [0, 1] and normals_of(rise[:, None, None])[1, 0, 0] > 0


@pytest.mark.parametrize("down", [False, True])
def test_green_points_up_in_every_example_whichever_way_it_was_stored(save, down):
    y, x = np.mgrid[:128, :128]
    height = (4 * np.sin(x / 5) * np.cos(y / 7)).astype(np.float32)
    vectors = np.moveaxis(normals_of(sobel(height)), 0, -1)[2:-2, 2:-2]
    stored = vectors * [1, -1, 1] if down else vectors
    normal = save("n.png", ((stored + 1) * 127.5 + 0.5).astype(np.uint8))
    albedo = save("a.png", np.random.default_rng(2).integers(0, 255, (124, 124, 3), np.uint8))
    row = {"source": "s", "albedo": albedo.path, "normal": normal.path, "height": "", "roughness": ""}
    (made,) = read_examples([row], log=lambda text: None)
    assert np.abs(made.slopes - slopes_of(vectors)).max() < 0.06


def test_green_stays_as_stored_where_no_map_of_a_package_is_sure(save):
    slopes = np.random.default_rng(1).normal(0, 0.2, (2, 124, 124)).astype(np.float32)
    stored = np.moveaxis(normals_of(slopes), 0, -1)
    normal = save("n.png", ((stored + 1) * 127.5 + 0.5).astype(np.uint8))
    albedo = save("a.png", np.random.default_rng(2).integers(0, 255, (124, 124, 3), np.uint8))
    row = {"source": "s", "albedo": albedo.path, "normal": normal.path, "height": "", "roughness": ""}
    (made,) = read_examples([row], log=lambda text: None)
    assert np.abs(made.slopes - slopes_of(stored)).max() < 0.06


def test_images_that_are_no_material_are_skipped(save):
    flat = save("flat.png", np.full((80, 80, 3), 9, np.uint8))
    small = save("small.png", np.random.default_rng(2).integers(0, 255, (20, 20, 3), np.uint8))
    rows = [dict.fromkeys(COLUMNS, "") | {"source": "s", "albedo": one.path} for one in (flat, small)]
    assert not read_examples(rows, log=lambda text: None)


def test_unavailable_packages_of_materials_are_an_error(tmp_path):
    def unavailable(source, version, folder):
        raise fetching.SourceError(f"{source.id}: unavailable")

    with pytest.raises(fetching.SourceError) as raised:
        fetch_materials(fetching.PackageCache(tmp_path, download=unavailable))
    failed = {line.split(":")[0] for line in str(raised.value).splitlines()}
    assert failed == {row["source"] for row in materials()}


def test_a_texture_is_only_its_own_duplicate():
    one, other = render_examples(2, 3, held_out=False)
    assert (
        thumbnail(one) @ thumbnail(one) == pytest.approx(1, abs=1e-5)
        and thumbnail(one) @ thumbnail(other) < DUPLICATE_CORRELATION
    )


def test_held_out_generators_are_never_trained_on():
    learned = {one.name.rpartition("-")[0] for one in render_examples(20, 0, held_out=False)}
    held = {one.name.rpartition("-")[0] for one in render_examples(8, 0, held_out=True)}
    assert held == set(HELD_OUT_GENERATORS) and not held & learned


def test_the_true_maps_get_the_best_scores_and_a_flat_guess_none():
    (one,) = render_examples(1, 11, held_out=False)
    truth = {
        "slopes": one.slopes.astype(np.float32), "height": one.height.astype(np.float32),
        "roughness": one.roughness / np.float32(255),
    }  # fmt: skip
    best, flat = evaluate.metrics(one, truth), evaluate.metrics(one, evaluate.predict(one, "flat"))
    assert best["angle"] < 0.1 and best["rough error"] == 0
    assert all(best[name] == pytest.approx(1, abs=1e-4) for name in ("slopes", "height"))
    assert flat["slopes"] == flat["height"] == 0 and flat["angle"] > best["angle"]


def test_only_known_maps_are_measured():
    guess = evaluate.predict(example(), "luminance")
    assert evaluate.metrics(example(), guess) == {}
    rough = example(roughness=np.full((40, 48), 153, np.uint8))
    assert set(evaluate.metrics(rough, guess)) == {"rough error"}


def test_means_are_taken_by_package_and_over_all_real_ones():
    rng = np.random.default_rng(4)
    one = example(slopes=rng.normal(0, 1, (2, 40, 48)).astype(np.float16))
    found = evaluate.evaluate(
        [one, *render_examples(1, 2, held_out=True)], lambda each: evaluate.predict(each, "flat")
    )
    assert set(found) == {"s", "real", "rendered"} and found["real"].counts["angle"] == 1
    means = found["s"].means
    assert means["network"]["angle"] == means["flat"]["angle"] != means["luminance"]["angle"]
