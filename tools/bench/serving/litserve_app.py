"""`text.embed`'s function behind LitServe: `litserve_app.py PORT MODELS ROWS WAIT_S`."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence

import litserve
import msgspec
from starlette.responses import Response

from accel.ai.embeddings import embed_texts_with_model
from accel.workload import Limits

Texts = Sequence[str]


class Embed(litserve.LitAPI):  # type: ignore[misc]
    """Takes a request's texts and returns their vectors; several requests share a run of the network."""

    def setup(self, device: str) -> None:
        self.limits = Limits(models=sys.argv[2])
        embed_texts_with_model(["warm"], self.limits)

    # No annotations: LitServe would derive FastAPI's validation from them.
    def decode_request(self, request):  # type: ignore[no-untyped-def]
        return request["texts"]

    def batch(self, inputs: Sequence[Texts]) -> Sequence[Texts]:
        return inputs

    def predict(self, inputs: Sequence[Texts]) -> list[list[list[float]]]:
        made = iter(embed_texts_with_model([text for texts in inputs for text in texts], self.limits)[0])
        return [[next(made) for _ in texts] for texts in inputs]

    def unbatch(self, output: list[list[list[float]]]) -> list[list[list[float]]]:
        return output

    def encode_response(self, output: list[list[float]]) -> Response:
        # Faster than the dict of the tutorials, which FastAPI converts value by value.
        return Response(msgspec.json.encode({"vectors": output}), media_type="application/json")


def main() -> None:
    port, _, rows, wait = sys.argv[1:]
    api = Embed(max_batch_size=int(rows), batch_timeout=float(wait))
    server = litserve.LitServer(
        api, accelerator="cpu", devices=1, workers_per_device=1, fast_queue=sys.platform != "win32"
    )
    threading.Thread(target=_until_closed, daemon=True).start()
    server.run(host="127.0.0.1", port=int(port), generate_client_file=False, log_level="warning")


def _until_closed() -> None:
    """Exits when the parent closes the pipe or ends."""
    # Not `sys.stdin`: processes forked meanwhile would wait for its lock.
    os.read(0, 1)
    os._exit(0)


if __name__ == "__main__":
    main()
