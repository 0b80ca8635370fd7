from collections.abc import Mapping, Sequence
from typing import Any

from bridge.api import (
    Action,
    Advisor,
    Answer,
    Context,
    Event,
    Popup,
    RequestError,
    SessionView,
    TextureIntent,
    hookimpl,
)

WANTED = TextureIntent(mipmaps=True)


class Mipmaps(Advisor):
    """Offers mipmaps for every texture that is imported without them."""

    name = "acme-mipmaps"
    events = ("asset.imported",)
    asks = ("acme.wanted",)

    async def on_event(self, context: Context, session: SessionView, event: Event) -> None:
        if session.adapter is None or session.version is None or context.settings["acme.quiet"]:
            return
        for asset in event.data["assets"]:
            options = session.adapter.compile_texture(WANTED, asset["options"], session.version)
            if options:
                popup = Popup(
                    id=0,  # the daemon assigns one
                    kind="acme-mipmaps",
                    title="No mipmaps",
                    body=f"`{asset['path']}` shimmers at a distance.",
                    actions=[Action(id="add", label="Add them"), Action(id="later", label="Not now")],
                )
                await context.popup(session, popup, {"path": asset["path"], "options": options})

    async def on_answer(
        self, context: Context, session: SessionView, popup: Popup, state: Any, answer: Answer
    ) -> None:
        if answer.action == "add":
            receipt = await context.command(session, "texture.apply", {"changes": [state]}, note="mipmaps")
            await context.receipt(receipt)

    async def on_ask(
        self, context: Context, session: SessionView, name: str, params: Mapping[str, Any]
    ) -> Any:
        if params:
            raise RequestError("bad_params", message=f"{name} takes no parameters.")
        return WANTED.fields()


@hookimpl
def popbridge_advisors() -> Sequence[Advisor]:
    return [Mipmaps()]
