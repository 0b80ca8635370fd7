import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bridge.api import (
    Kind,
    TextureAsset,
    UserError,
    changed_since,
    read_text,
    remaining_changes,
    walk,
    write_text,
)


class AcmeProjects:
    """`acme.json` names the version; `rock.png.acme` holds the options of `rock.png`."""

    def project_version(self, project: Path) -> str | None:
        file = project / "acme.json"
        return str(json.loads(read_text(file))["version"]) if file.exists() else None

    def textures(self, project: Path) -> Iterator[TextureAsset]:
        for found in walk(project):
            if found.problem:
                yield TextureAsset(path=f"acme:/{found.file}", file=found.file, problem=found.problem)
            elif asset := self.texture(project, found.file):
                yield asset

    def texture(self, project: Path, file: str) -> TextureAsset | None:
        if not file.endswith(".png") or not (project / file).is_file():
            return None
        try:
            return TextureAsset(path=f"acme:/{file}", file=file, options=_options(_text(project / file)))
        except (OSError, ValueError) as error:
            return TextureAsset(path=f"acme:/{file}", file=file, problem=f"{file}.acme: {error}")

    def uses(self, project: Path) -> Mapping[str, Sequence[Kind]]:
        return {}

    def apply(self, project: Path, changes: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        done: dict[str, list[dict[str, Any]]] = {"before": [], "after": [], "errors": []}
        for change in changes:
            path = change["path"]
            texture = project / path.removeprefix("acme:/")
            try:
                text = _text(texture)
                before = _options(text)
                # Whoever has set something while the audit ran is to lose nothing.
                if said := changed_since(change, before, _beside(texture).name):
                    raise UserError(said)
                named, left = remaining_changes(change["options"], change.get("expected") or {}, before)
                done["errors"] += [{"path": path, "message": message} for message in left]
                if left and not named:
                    continue
                after = {name: value for name, value in {**before, **named}.items() if value is not None}
                # What somebody has written since it was read stays, too.
                write_text(_beside(texture), json.dumps(after), was=text)
            except (OSError, ValueError, UserError) as error:
                done["errors"].append({"path": path, "message": str(error)})
                continue
            for when, options in (("before", before), ("after", after)):
                done[when].append({"path": path, "options": {name: options.get(name) for name in named}})
        return done


def _beside(texture: Path) -> Path:
    return texture.with_name(f"{texture.name}.acme")


def _text(texture: Path) -> str | None:
    file = _beside(texture)
    return read_text(file) if file.exists() else None


def _options(text: str | None) -> dict[str, Any]:
    options: dict[str, Any] = {"GenerateMips": False} if text is None else json.loads(text)
    return options
