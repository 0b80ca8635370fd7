"""`text.embed`'s function behind Ray Serve: `ray_app.py PORT MODELS ROWS WAIT_S`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import msgspec
import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import Response

from accel.ai.embeddings import embed_texts_with_model
from accel.workload import Limits

PORT, MODELS, ROWS, WAIT_S = sys.argv[1:]


# One replica, like one worker elsewhere. It may queue more requests than a batch holds, so that batches
# fill, as the documentation says.
@serve.deployment(num_replicas=1, max_ongoing_requests=256, ray_actor_options={"num_cpus": 1})
class Embed:
    """Takes a request's texts and returns their vectors; several requests share a run of the network."""

    def __init__(self, models: str) -> None:
        self.limits = Limits(models=models)
        embed_texts_with_model(["warm"], self.limits)

    @serve.batch(max_batch_size=int(ROWS), batch_wait_timeout_s=float(WAIT_S))
    async def together(self, several: list[Sequence[str]]) -> list[list[list[float]]]:
        made = iter(embed_texts_with_model([text for texts in several for text in texts], self.limits)[0])
        return [[next(made) for _ in texts] for texts in several]

    async def __call__(self, request: Request) -> Response:
        texts = msgspec.json.decode(await request.body())["texts"]
        found = await self.together(texts)
        return Response(msgspec.json.encode({"vectors": found}), media_type="application/json")


def main() -> None:
    ray.init(
        include_dashboard=False, configure_logging=False, _node_ip_address="127.0.0.1", num_cpus=4,
        object_store_memory=100 << 20,
    )  # fmt: skip
    serve.start(http_options={"host": "127.0.0.1", "port": int(PORT)})
    serve.run(Embed.bind(MODELS), route_prefix="/predict")
    # Until the parent closes the pipe or exits.
    sys.stdin.read()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
