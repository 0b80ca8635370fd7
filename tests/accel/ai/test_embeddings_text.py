import numpy as np
import pytest

from accel.ai.embeddings import _run, pad_tokens
from accel.ai.sessions import Network, networks
from accel.ai.workloads import EmbedText, embed_several, embed_text
from accel.workload import Input, Item, Limits, Output, WorkloadError
from tests import pulled


@pytest.fixture(scope="module", autouse=True)
def model():
    pulled.require("minilm-l6")


@pytest.fixture
def text_file(tmp_path):
    def write(name, data):
        (tmp_path / name).write_bytes(data)
        return Input(name, str(tmp_path / name))

    return write


def vectors(texts, limits):
    return np.array(embed_text([], EmbedText(texts=texts), limits).value.vectors)


def test_alike_meanings_lie_closer_than_alike_words(limits):
    plate, sheet, will = vectors(["corroded iron plate", "rusty metal sheet", "iron will of a hero"], limits)
    assert plate @ sheet > plate @ will + 0.05


def test_vectors_are_of_length_1_and_384_numbers(limits):
    made = vectors(["brick", "a much longer text about bricks, mortar and walls"], limits)
    assert made.shape == (2, 384)
    assert np.linalg.norm(made, axis=1) == pytest.approx(1, abs=1e-5)


def test_a_text_has_the_same_vector_in_any_company(limits):
    texts = [f"texture number {n} " + "of a wall " * (n % 7) for n in range(40)]
    together = vectors(texts, limits)
    for at in (0, 13, 39):
        assert vectors([texts[at]], limits)[0] == pytest.approx(together[at], abs=1e-5)


def test_files_are_embedded_after_the_texts(limits, text_file):
    files = [text_file("a.txt", "crimson stone".encode("utf-8-sig"))]
    value = embed_text(files, EmbedText(texts=["a red rock"]), limits).value
    assert (value.model, value.dimensions, value.cut) == ("minilm-l6 1", 384, [])
    assert np.array(value.vectors) == pytest.approx(vectors(["a red rock", "crimson stone"], limits))


def test_a_text_that_is_too_long_is_truncated_and_listed(limits):
    value = embed_text([], EmbedText(texts=["short", "word " * 400]), limits).value
    assert value.cut == [1]


def test_nothing_to_embed_is_a_mistake(limits):
    with pytest.raises(WorkloadError, match="give texts") as caught:
        embed_text([], EmbedText(), limits)
    assert caught.value.code == "bad_params"


@pytest.mark.parametrize(
    ("data", "code", "says"),
    [(b"\xff\xfe\x00", "bad_input", "UTF-8"), (b"a" * (1 << 20) + b"a", "too_large", "more than 1 MiB")],
)
def test_files_that_are_no_text_are_refused_by_name(limits, text_file, data, code, says):
    with pytest.raises(WorkloadError, match=says) as caught:
        embed_text([text_file("x.txt", data)], EmbedText(), limits)
    assert (caught.value.code, caught.value.name) == (code, "x.txt")


def test_a_file_that_is_not_there_is_an_error(limits, tmp_path):
    with pytest.raises(WorkloadError, match="can't be read"):
        embed_text([Input("x", str(tmp_path / "none"))], EmbedText(), limits)


def test_several_jobs_run_as_one_and_a_bad_one_fails_alone(limits, tmp_path):
    jobs = [
        Item([], EmbedText(texts=["a", "word " * 400])),
        Item([Input("x", str(tmp_path / "none"))], EmbedText()),
        Item([], EmbedText(texts=["brick wall"])),
    ]
    first, bad, last = embed_several(jobs, limits)
    assert isinstance(first, Output) and first.value.cut == [1] and len(first.value.vectors) == 2
    assert isinstance(bad, WorkloadError)
    assert last.value.cut == []
    assert np.array(last.value.vectors[0]) == pytest.approx(vectors(["brick wall"], limits)[0], abs=1e-5)


def test_jobs_are_batched_by_texts_and_length():
    batching = embed_text.workload.batching
    assert batching.rows(EmbedText(texts=["a", "b", "c"])) == 3
    assert batching.bucket(EmbedText(texts=["a"])) != batching.bucket(EmbedText(texts=["a" * 500]))
    samples = [embed_text.workload.parse(batching.sample(n)) for n in range(3)]
    assert len({sample.texts[0] for sample in samples}) == 3


def test_without_the_model_the_error_names_the_command(tmp_path):
    with pytest.raises(WorkloadError, match="popbridge models pull minilm-l6"):
        embed_text([], EmbedText(texts=["a"]), Limits(models=str(tmp_path)))


@pytest.mark.parametrize("length", [10, 16, 64])
def test_rows_and_pieces_beyond_the_texts_change_no_vector(limits, length):
    network = networks(limits).get("minilm-l6")
    rows = [[101, *range(2000, 2000 + count), 102] for count in (3, 8, 5)]

    def mean(count, length):
        feed = pad_tokens(rows, count, length)
        (hidden,) = network.run(feed)
        weights = feed["attention_mask"][..., None]
        return ((hidden * weights).sum(1) / weights.sum(1))[: len(rows)]

    assert np.allclose(mean(4, length), mean(3, 10), atol=1e-5)


def test_where_shapes_may_have_buffers_of_their_own_texts_are_rounded_up_to_few_shapes(limits):
    network = networks(limits).get("minilm-l6")
    shapes = []

    class Seen:
        """Ways that note the shapes that come, and are for none but those of four rows."""

        bytes = 0

        def may_tune(self, feed, wanted):
            return feed["input_ids"].shape[0] == 4

        def run(self, feed, wanted):
            shapes.append(feed["input_ids"].shape)
            return network._session.run(wanted, dict(feed))

    other = Network(network.model, network.file, network._session, Seen())
    for rows in ([[101, 2000, 102]] * 3, [[101, *range(2000, 2009), 102]] * 4, [[101, 2000, 102]] * 5):
        assert np.allclose(_run(other, rows), _run(network, rows), atol=1e-5)
    # The last is as it is: five rows would be eight.
    assert shapes == [(4, 8), (4, 16), (5, 3)]
