"""Networks in real worker processes: that they learn where the models lie, and keep what is open."""

import pytest

from accel.ai.workloads import embed_text, upscale
from accel.execution.executor import Job, LocalExecutor
from accel.workload import Limits, WorkloadError
from tests import pulled
from tests.accel.ai.conftest import apple, scaled


@pytest.fixture
async def worker(limits):
    """One cold worker that knows the real models."""
    local = LocalExecutor(1, limits, 0, warm=())
    await local.start()
    yield local
    await local.close()


async def test_a_worker_opens_the_models_of_the_folder_and_keeps_them_open(worker):
    pulled.require("minilm-l6")
    first, again = [
        await worker.run(Job.parse(embed_text.workload, {"texts": ["brick wall"]}, [], deadline_s=60))
        for _ in range(2)
    ]
    assert first.value == again.value
    assert len(first.value["vectors"][0]) == 384
    # Opening takes some hundred milliseconds, a text a few.
    assert again.run_ms < first.run_ms / 3


async def test_an_image_is_upscaled_in_a_worker(worker, save):
    pulled.require("waifu2x-upconv7-2x")
    source = save("a.png", scaled(apple(24)[0], "uint8"))
    result = await worker.run(Job.parse(upscale.workload, {}, [source], deadline_s=60))
    assert (result.value["width"], result.files[0].media_type) == (48, "image/png")


async def test_a_worker_without_the_model_says_what_to_run(tmp_path, save):
    local = LocalExecutor(1, Limits(models=str(tmp_path)), 0, warm=())
    await local.start()
    try:
        with pytest.raises(WorkloadError, match="popbridge models pull waifu2x-upconv7-2x") as caught:
            await local.run(
                Job.parse(upscale.workload, {}, [save("a.png", scaled(apple(8)[0], "uint8"))], deadline_s=60)
            )
        assert caught.value.code == "not_found"
    finally:
        await local.close()
