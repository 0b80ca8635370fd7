"""Thousands of files are advised on a part at a time, and others are heard in between."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bridge.advisors import import_advisor, import_batch
from bridge.advisors.advice import FileAdvice
from bridge.advisors.findings import Finding
from bridge.advisors.import_advisor import TextureImportAdvisor
from bridge.advisors.import_apply import Fix, apply
from bridge.advisors.import_batch import Advice, AdviceSummary, pack_advice, portions, split_advice, summarize
from bridge.advisors.texts import say
from bridge.api import Answer, RequestError, TextureIntent
from bridge.core import errors
from tests.advisors import pictures
from tests.advisors.desk import Bench
from tests.advisors.test_import_advisor import normal

FINDING = Finding("no_mipmaps", 1, "no_mipmaps", intent=TextureIntent(mipmaps=True))


def advised(number: int, **options: Any) -> FileAdvice:
    file = f"textures/{number}.png"
    return FileAdvice(f"res://{file}", file, [FINDING], options, {}, content="c", state="s")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(import_batch, "PART", 2)
    return Bench(tmp_path, TextureImportAdvisor())


@pytest.mark.parametrize("action", ["apply", "later", "always"])
async def test_others_are_heard_while_an_answer_about_thousands_is_acted_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    heard, at_once = [0], [0]

    def counting(do: Any) -> Any:
        def do_and_count(value: Any) -> Any:
            asyncio.get_running_loop().call_soon(heard.append, len(value))
            at_once[0] = max(at_once[0], len(value))
            turns.append(len(heard))
            return do(value)

        return do_and_count

    turns: list[int] = []
    await bench.imported(*(normal(bench, f"{number}_n.png") for number in range(7)))
    monkeypatch.setattr(FileAdvice, "marks", lambda file: set())
    real = AdviceSummary.add
    monkeypatch.setattr(
        AdviceSummary, "add", lambda gist, files: counting(lambda part: real(gist, part))(files)
    )
    await bench.answer(action)
    assert at_once == [2] and turns == [*range(1, len(turns) + 1)] and len(turns) >= 4
    assert bench.options["res://6_n.png"]["normal_map"] is (action != "later")


async def test_a_popups_files_are_kept_in_parts(bench: Bench) -> None:
    await bench.imported(*(normal(bench, f"{number}_n.png") for number in range(5)))
    ((_, state),) = bench.popups.values()
    assert [type(part) for part in state["packed"]] == [bytes] * 3 and state["files"] == []
    kept = [file.file for part in msgspec.convert(state, Advice) for file in part]
    assert kept == [f"{number}_n.png" for number in range(5)]


async def test_an_answer_to_a_popup_of_an_earlier_version_is_acted_on(bench: Bench) -> None:
    path = normal(bench, "a_n.png")
    await bench.imported(path)
    ((popup_id, (popup, state)),) = bench.popups.items()
    files = [file for part in msgspec.convert(state, Advice) for file in part]
    old = {"kind": "advice", "files": msgspec.to_builtins(files)}
    answer = Answer(id=popup_id, state="answered", action="apply")
    await bench.advisor.on_answer(bench, bench.view, popup, old, answer)
    assert bench.options[path]["normal_map"]


async def test_what_is_being_noted_isnt_asked_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    path = normal(bench, "a_n.png")
    await bench.imported(path)
    begun, gate, real = asyncio.Event(), asyncio.Event(), import_advisor.summarize

    async def held(parts: Any) -> AdviceSummary:
        begun.set()
        await gate.wait()
        return await real(parts)

    monkeypatch.setattr(import_advisor, "summarize", held)
    answering = asyncio.create_task(bench.answer("later"))
    await begun.wait()
    importing = asyncio.create_task(bench.imported(path))
    looked = len(bench.ran)
    async with asyncio.timeout(60):
        (desk,) = bench.advisor._batches.values()
        while len(bench.ran) == looked or not desk.recorded._waiters:
            await asyncio.sleep(0.001)
    gate.set()
    await asyncio.gather(answering, importing)
    assert bench.popups == {} and len(bench.shown) == 1


async def changes(files: Sequence[FileAdvice]) -> list[list[str]]:
    return [[change["path"] for change in portion] async for portion in portions(pack_advice(files))]


@pytest.mark.parametrize("part", [1, 3, 1000])
async def test_portions_are_the_same_however_the_files_were_kept(
    monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    monkeypatch.setattr(import_batch, "PART", part)
    monkeypatch.setattr(import_batch, "MAX_CHANGES", 4)
    files = [advised(number, **({} if number % 5 == 0 else {"mipmaps": True})) for number in range(12)]
    assert await changes(files) == [
        [f"res://textures/{number}.png" for number in numbers]
        for numbers in ((1, 2, 3, 4), (6, 7, 8, 9), (11,))
    ]


async def test_no_portion_is_larger_than_a_frame_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_batch, "MAX_CHANGES_BYTES", 3000)
    files = [advised(number, preset="x" * size) for number, size in enumerate((1000, 1000, 5000, 1000))]
    assert [len(portion) for portion in await changes(files)] == [2, 1, 1]
    assert await changes([]) == [] and list(split_advice([])) == []


async def test_a_receipt_that_cant_be_read_costs_no_other_portion_its_undo(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = bench.receipt

    async def receipt(receipt_id: int) -> Any:
        if receipt_id == 2:
            raise RequestError(errors.STORE_UNAVAILABLE, reason="its database is damaged")
        return await real(receipt_id)

    monkeypatch.setattr(import_batch, "MAX_CHANGES", 1)
    monkeypatch.setattr(bench, "receipt", receipt)
    await bench.imported(*(normal(bench, f"{name}_n.png") for name in "abc"))
    await bench.answer("apply")
    assert (
        bench.asking.title == say("applied_partly", "en", done=2, count=3)
        and "is damaged" in bench.asking.body
    )
    await bench.answer("undo")
    assert bench.reverted == [[3], [1]]


class TestUndo:
    """Of an answer in three portions, with receipts 1 to 3; those of the undo are 4 to 6."""

    @pytest.fixture
    async def paths(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        monkeypatch.setattr(import_batch, "MAX_CHANGES", 1)
        paths = [normal(bench, f"{name}_n.png") for name in "abc"]
        await bench.imported(*paths)
        await bench.answer("apply")
        return paths

    def refuse(self, bench: Bench, method: str, receipts: Any, error: RequestError) -> None:
        real = getattr(bench, method)

        async def refusing(asked: Any) -> Any:
            if asked in receipts:
                raise error
            return await real(asked)

        setattr(bench, method, refusing)

    async def test_one_whose_receipt_cant_be_read_costs_the_others_nothing(
        self, bench: Bench, paths: list[str]
    ) -> None:
        damaged = RequestError(errors.STORE_UNAVAILABLE, reason="its database is damaged")
        self.refuse(bench, "receipt", [4], damaged)
        bench.refused[paths[0]] = "is read-only"
        await bench.answer("undo")
        assert bench.asking.title == "Partly undone"
        assert "is damaged" in bench.asking.body and "`res://a_n.png`: is read-only" in bench.asking.body
        assert bench.options[paths[1]]["normal_map"] is bench.options[paths[2]]["normal_map"] is False

    async def test_one_that_cant_be_sent_is_told_and_the_others_are_put_back(
        self, bench: Bench, paths: list[str]
    ) -> None:
        gone = RequestError(errors.EDITOR_GONE, editor="Godot")
        self.refuse(bench, "revert", [[2], [1]], gone)
        await bench.answer("undo")
        assert bench.asking.title == "Partly undone"
        assert bench.asking.body == "Godot isn't connected."
        assert bench.options[paths[2]]["normal_map"] is False

    @pytest.mark.parametrize("refused", [[[3]], [[3], [2], [1]]])
    async def test_what_was_put_back_before_is_told_only_where_that_is_all(
        self, bench: Bench, paths: list[str], refused: list[list[int]]
    ) -> None:
        before = RequestError(errors.UNSUPPORTED, name="Receipt", reason="it was put back already")
        self.refuse(bench, "revert", refused, before)
        await bench.answer("undo")
        told = [popup.title for popup in bench.shown[2:]]
        assert told == ["Undo failed" if len(refused) == 3 else "Undone"]


async def test_what_is_told_after_an_answer_is_the_same_step_whether_or_not_anything_was_left(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    def counting(name: str) -> None:
        real = getattr(bench, name)

        async def counted(*args: Any, **named: Any) -> Any:
            steps.append(name)
            return await real(*args, **named)

        monkeypatch.setattr(bench, name, counted)

    for name in ("popup", "command", "previous_command"):
        counting(name)
    await apply(bench, bench.view, Fix((), await summarize(())))
    await apply(bench, bench.view, Fix((), await summarize(()), {"res://a_n.png": "has changed"}))
    assert steps == ["previous_command", "popup"]


async def test_a_file_that_failed_and_has_changed_since_is_told_once(bench: Bench) -> None:
    path = normal(bench, "a_n.png")
    await bench.imported(path)
    ((popup, state),) = bench.popups.values()
    bench.refused[path] = "is read-only"
    await bench.answer("apply")
    pictures.save(bench.root / "a_n.png", pictures.normal_map(64))
    await bench.answer_once_more(TextureImportAdvisor(), popup, state, "apply")
    first, again = [shown.body for shown in bench.shown if shown.kind == "texture.applied"]
    assert first == again and first.count("is read-only") == 1


class TestOnceMore:
    """An answer about several portions, acted on again by another daemon, as the first was killed."""

    @pytest.fixture
    async def kept(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
        monkeypatch.setattr(import_batch, "MAX_CHANGES", 2)
        await bench.imported(*(normal(bench, f"{name}_n.png") for name in "abcdef"))
        ((popup, state),) = bench.popups.values()
        return popup, state

    async def once_more(self, bench: Bench, kept: tuple[Any, Any]) -> list[list[str]]:
        """Acts on it; gives what was sent in all, by portion."""
        await bench.answer_once_more(TextureImportAdvisor(), *kept, "apply")
        return [[change["path"][6] for change in args["changes"]] for _, args in bench.commands]

    async def killed_at(self, bench: Bench, portion: int) -> None:
        class Killed(BaseException):
            pass

        async def command(*args: Any, **named: Any) -> int:
            if len(bench.commands) == portion:
                raise Killed
            return await real(*args, **named)

        real = bench.command
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
            patch.setattr(bench, "command", command)
            await bench.answer("apply")

    async def test_a_file_that_has_changed_since_shifts_no_portion(
        self, bench: Bench, kept: tuple[Any, Any]
    ) -> None:
        await self.killed_at(bench, 2)
        pictures.save(bench.root / "a_n.png", pictures.normal_map(64))
        assert await self.once_more(bench, kept) == [["a", "b"], ["c", "d"], ["e", "f"]]
        assert bench.receipts[3]["before"][0]["path"] == "res://e_n.png"

    async def test_of_a_portion_whose_files_have_all_changed_only_what_was_sent_counts(
        self, bench: Bench, kept: tuple[Any, Any]
    ) -> None:
        await self.killed_at(bench, 1)
        for name in "abcd":
            pictures.save(bench.root / f"{name}_n.png", pictures.normal_map(64))
        assert await self.once_more(bench, kept) == [["a", "b"], ["e", "f"]]
        toast = next(popup for popup in bench.shown if popup.kind == "texture.applied")
        assert toast.title == say("applied_partly", "en", done=4, count=6)
        assert [line[:9] for line in toast.body.splitlines()[:-1]] == ["`res://c_", "`res://d_"]
        assert bench.popups[toast.id][1]["receipts"] == [1, 2], "both can be undone"
