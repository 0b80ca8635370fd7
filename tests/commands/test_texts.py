"""What commands say in Chinese: each sentence has it, and so has what accel says within them."""

from __future__ import annotations

import contextlib
import functools
import re
import sqlite3
import string
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from msgspec import Meta

from accel.models.catalogue import MODELS
from accel.models.manifest import Url
from accel.models.store import MISSING, ModelStore, again
from bridge.advisors.project_texts import PHRASES
from bridge.api import Setting
from bridge.audit import baseline, files, parts
from bridge.audit import project as projects
from bridge.commands.language import explained
from bridge.commands.texts import (
    audit,
    db,
    devices,
    errors,
    held,
    install,
    models,
    parameters,
    plugins,
    reasons,
    receipts,
    run,
    serve,
    settings,
    status,
    tune,
    usage,
    workloads,
)
from bridge.connection import ConnectionFile
from bridge.core.errors import AMBIGUOUS_EDITOR, EDITOR_GONE, UNSUPPORTED, RequestError, UserError
from bridge.core.settings import resolve
from bridge.core.texts import Phrases, Text
from bridge.demo import texts as demo
from bridge.host import Registry
from bridge.paths import Paths
from bridge.projectfile import NAME, check_rule, passed_over, read
from bridge.server import serve as serve_
from bridge.store.database import open_database, open_readonly
from tests.accel.models.records import file, model


def texts(module: Any) -> Iterator[Text]:
    for value in vars(module).values():
        several = value.values() if isinstance(value, dict) else value
        for each in several if isinstance(value, (dict, tuple)) else [value]:
            if isinstance(each, Text):
                yield each


THEIRS = (
    r"（(?:第 \d+ 行：)?(?:\w+Error: |\[\w+ \d+\] |expected |Expecting |Input data |file is not |Read-only |"
    r"Permission |No such ).*?）"
)
"""What the system or a library says, within a sentence of ours."""


def english(said: str) -> list[str]:
    """Words of English that stand side by side, but for what is to be typed and what others say."""
    bare = re.sub(
        rf"`[^`]*`|{THEIRS}|\(.*?\)|pip \w+(?: [\w.<>=\[\]-]+)*|https?://\S+|运行模型：.*", "", said
    )
    return re.findall(r"[a-z']{2,} [a-z]{2,}", bare)


MODULES = [
    db,
    demo,
    devices,
    install,
    models,
    plugins,
    receipts,
    run,
    settings,
    status,
    tune,
    usage,
    workloads,
]


@pytest.mark.parametrize("module", MODULES)
def test_both_languages_say_the_same_values(module: Any) -> None:
    found = list(texts(module))
    assert len(found) > 10
    for text in found:
        assert len({frozenset(_fields(each)) for each in (text.en, text.zh)}) == 1, text


def _fields(text: str) -> Iterator[str]:
    return (name for _, name, _, _ in string.Formatter().parse(text) if name)


@pytest.mark.parametrize(
    "phrases",
    [
        audit.PATTERNS,
        db.PATTERNS,
        devices.PATTERNS,
        errors.PATTERNS,
        held.PATTERNS,
        models.PATTERNS,
        parameters.PATTERNS,
        plugins.PATTERNS,
        reasons.PATTERNS,
        receipts.PATTERNS,
        serve.PATTERNS,
        settings.PATTERNS,
        tune.PATTERNS,
        usage.PATTERNS,
    ],
)
def test_no_pattern_hides_another(phrases: tuple[tuple[str, str], ...]) -> None:
    literal = [(pattern, zh) for pattern, zh in phrases if not re.search(r"[()\[\]|+*?]", pattern)]
    for pattern, zh in literal:
        assert Phrases(phrases).in_chinese(pattern.replace("\\", "")) == zh


SYSTEMS = [
    "OSError: [Errno 2] No such file or directory", "one; another", "a (b; c) d; e", "is missing: 3 or 4",
    "the file ended early", "computes wrongly",
]  # fmt: skip


@pytest.mark.parametrize("said", SYSTEMS)
def test_what_the_system_says_of_a_model_stays_as_it_is(said: str) -> None:
    told = models.PHRASES.in_chinese
    assert told(f"can't be read ({said})") == f"无法读取（{said}）"
    assert told(f"/m can't be removed ({said}); a program may have it open") == (
        f"无法移除 /m（{said}）；可能有程序正在使用它"
    )
    trust = f"its certificate isn't trusted ({said}); SSL_CERT_FILE names another authority"
    refused = f"https://a/x: {trust}; https://b/y answered 404 (Not Found)"
    assert told(refused) == (
        f"https://a/x：其证书不受信任（{said}）；可用 SSL_CERT_FILE 指定其他证书颁发机构；"
        "https://b/y 的应答为 404 (Not Found)"
    )


@pytest.mark.parametrize(("names", "chinese"), [("a", "a"), ("a or b", "a 或 b"), ("a, b or c", "a, b 或 c")])
def test_whose_name_a_file_has_is_told_in_chinese(names: str, chinese: str) -> None:
    said = (
        f"is called like a file of {names} and isn't it: it is another program's, another version, or cut "
        "off. If it was meant, get it again"
    )
    told = models.PHRASES.in_chinese(said)
    assert told.startswith(f"与 {chinese} 的文件同名，但并不是它") and not english(told)


def test_what_each_model_does_is_told_in_chinese() -> None:
    for each in MODELS.values():
        assert models.PHRASES.in_chinese(each.task) != each.task


def test_what_is_wrong_with_a_model_is_told_in_chinese(tmp_path: Any) -> None:
    one = model(file(b"x", Url("https://a.example", ("x",))))
    store = ModelStore(tmp_path)
    (tmp_path / one.name / one.version).mkdir(parents=True)
    store.path(one, one.files[0]).write_bytes(b"y")
    for said in (MISSING, store.problem(one, one.files[0]), f"{again(one)} again"):
        assert not english(models.PHRASES.in_chinese(said)) and models.PHRASES.in_chinese(said) != said


def test_what_sources_say_one_after_the_other_is_told_in_chinese() -> None:
    said = (
        "https://a.example/x: nothing came for 30 s (by the proxy p:8080), 1.0 of 2.0 MB are kept and "
        "pulling it again goes on from there; pip can't download tiny 1.0: the package index can't be "
        "reached. Pull it again later, or bring along what has it: `popbridge models import FILE`"
    )
    assert models.PHRASES.in_chinese(said) == (
        "https://a.example/x：30 秒内没有收到数据（经由代理 p:8080），已保留 1.0 / 2.0 MB，"
        "重新下载时会继续；pip 无法下载 tiny 1.0：无法连接软件包索引。"
        "请稍后重新下载，或自行提供文件：`popbridge models import FILE`"
    )


PROJECT_FILES = (
    b"# \xfc", b"colours = 1", b"[textures]\nmax_size = 0", b"[textures]\nignore = ['!a']",
    b"[textures]\nignore = ['']", b"[textures\n", b"a = " + b"[" * 100_000, b"#" * (1 << 20) + b"#",
    b"[[always]]\nfolder = 'a'", b"[[always]]\nfolder = 7\nadvice = []",
    b"[textures]\nmax_size = 70000", b"[[always]]\nfolder = '/a'\nadvice = []",
)  # fmt: skip


def _project(folder: Path, number: int, text: bytes) -> Path:
    root = folder / f"project{number}"
    root.mkdir()
    (root / NAME).write_bytes(text)
    return root


def mistakes(folder: Path) -> Iterator[Callable[[], object]]:
    """What raises an error for people, each by the code that finds the mistake."""
    (folder / "file").touch()
    (folder / "bad.json").write_text("{")
    sqlite3.connect(folder / "foreign.db").execute("CREATE TABLE theirs (x)").connection.close()
    open_database(folder / "newer.db").conn.close()
    with contextlib.closing(sqlite3.connect(folder / "newer.db", isolation_level=None)) as connection:
        connection.execute("INSERT INTO _sqlite_migrations VALUES (99, 'popbridge', 'flying', '')")
    (folder / "damaged.db").write_bytes(b"no database at all" * 400)
    yield from (functools.partial(read, _project(folder, *each)) for each in enumerate(PROJECT_FILES))
    yield lambda: ConnectionFile.read(folder / "none.json")
    yield lambda: ConnectionFile.read(folder / "file" / "none.json")
    yield lambda: ConnectionFile.read(folder / "bad.json")
    for name in ("foreign.db", "newer.db", "damaged.db"):
        yield functools.partial(open_database, folder / name)
    yield lambda: open_database(folder / "file" / "below.db")
    yield lambda: open_readonly(folder / "damaged.db")
    yield lambda: parts.named(Registry(), str(folder / "file"))
    yield lambda: parts.named(Registry(), "res://art")
    yield lambda: projects.find(Registry(), folder / "none")
    yield lambda: files.check_writable(str(folder / "none" / "report.html"))
    yield lambda: files.write(str(folder / "file" / "report.html"), [""])
    yield lambda: baseline.read(folder / "none.json")
    yield lambda: baseline.read(folder)
    yield lambda: baseline.read(folder / "bad.json")
    yield lambda: baseline.check_replaceable(folder / "bad.json")
    for name, text in (
        ("utf8", b"\xff"),
        ("list", b"[]"),
        ("newer", b'{"popbridge_baseline": 9, "accepted": []}'),
    ):
        (folder / name).write_bytes(text)
        yield functools.partial(baseline.read, folder / name)
    yield lambda: serve_._listen("0.0.0.0", 1, print).__enter__()
    yield lambda: serve_._listen("127.0.0.999", 1, print).__enter__()
    home = Paths.find({"POPBRIDGE_HOME": str(folder / "file")})
    yield lambda: serve_._only_one(home).__enter__()
    yield lambda: _raise(serve_._cant_use(home, OSError(30, "Read-only file system", "x")))
    yield lambda: _raise(serve_._cant_use(home, OSError(13, "Permission denied", "x")))


@pytest.mark.parametrize(
    ("kind", "value", "chinese"),
    [
        (Annotated[int, Meta(ge=2)], 1, "应为不小于 2 的整数"),
        (Annotated[int, Meta(le=2)], 3, "应为不超过 2 的整数"),
        (Annotated[float, Meta(ge=0.5)], 0, "应为不小于 0.5 的数"),
        (Annotated[float, Meta(le=0.5)], 1, "应为不超过 0.5 的数"),
    ],
)
def test_a_plugins_setting_with_one_bound_is_told_in_chinese(
    kind: Any, value: float, chinese: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    with pytest.raises(UserError) as told:
        resolve([Setting(name="acme.n", type=kind, default=2, help="How.")], {"acme.n": value})
    assert explained(told.value) == f"设置 acme.n（来自命令行选项）为 {value}，无效：{chinese}。"


def _raise(error: UserError) -> None:
    raise error


def test_each_mistake_is_told_in_chinese_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    for make in mistakes(tmp_path):
        with pytest.raises(UserError) as told:
            make()
        said = explained(told.value)
        assert said != str(told.value) and said.endswith("。") and not english(said), said
        assert "expected" not in re.sub(r"（.*?）", "", said)


@pytest.mark.parametrize("code", ["no_mipmap", "x", "duplicate"])
def test_why_a_rule_is_refused_or_passed_over_is_told_in_chinese_alone(tmp_path: Path, code: str) -> None:
    found = read(_project(tmp_path, 0, f"[[always]]\nfolder = 'a'\nadvice = ['{code}']".encode()))
    (told,) = passed_over(tmp_path / "project0", found)
    with pytest.raises(UserError) as refused:
        check_rule("My_Game", "a", code)
    for said in (told, str(refused.value)):
        chinese = PHRASES.in_chinese(said)
        assert chinese.endswith("。") and not english(chinese), chinese
    assert PHRASES.in_chinese(f"{NAME}: 3 more codes are passed over.") == f"{NAME}：还有 3 个代码被略过。"


@pytest.mark.parametrize(
    ("error", "chinese"),
    [
        (
            RequestError(
                UNSUPPORTED,
                name="Receipt 5",
                reason="it changed nothing (failed), so that nothing can be put back",
            ),
            "回执 5：它没有更改任何内容（failed），没有可撤销的内容。",
        ),
        (
            RequestError(EDITOR_GONE, editor="An editor with the project 'My Game'"),
            "没有打开项目“My Game”的编辑器连接。请在编辑器中打开该项目。",
        ),
        (
            RequestError(EDITOR_GONE, "Reconnect.", editor="The daemon"),
            "与守护进程的连接已断开。请重新连接。",
        ),
        (
            RequestError(AMBIGUOUS_EDITOR, editors="s1 (editor g 1); s2 (editor g 2)"),
            "有多个编辑器打开了该项目：s1 (editor g 1); s2 (editor g 2)。"
            "请指定其中一个（`popbridge revert --editor`）。",
        ),
        (RequestError(UNSUPPORTED, "Try.", name="What", reason="is theirs"), "What: is theirs. Try."),
    ],
)
def test_what_the_daemon_refuses_is_told_with_what_to_do(
    error: RequestError, chinese: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    english_ = f"{error.message} {error.hint}".strip()
    assert explained(error) == english_
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert explained(error) == chinese


def test_what_the_system_says_of_a_database_stays_as_it_is() -> None:
    said = (
        "The database /a b/c.db can't be used (the disk is full (SQLite says so)): make room, or free, mend "
        "or move that file."
    )
    assert errors.PHRASES.in_chinese(said).startswith(
        "无法使用数据库 /a b/c.db（磁盘已满（SQLite says so））："
    )
    assert (
        db.PHRASES.in_chinese("row 3 of receipts can't be read: is damaged")
        == "无法读取 receipts 的第 3 行：is damaged"
    )


@pytest.mark.parametrize(
    ("phrases", "said", "chinese"),
    [
        (plugins, "adapter odd1: versions: Invalid version: '4.x'",
         "适配器 odd1：versions: Invalid version: '4.x'"),
        (plugins, "adapter odd1: name is 5; it must be text", "适配器 odd1：name 为 5，而应为文本"),
        (plugins, "advisor a b: events is 'x'; it must be a tuple of texts; write ('x',)",
         "顾问 a b：events 为 'x'，而应为文本的 tuple：请写 ('x',)"),
        (plugins, "setting 'quiet' isn't named PLUGIN.NAME", "设置 'quiet' 应命名为 PLUGIN.NAME"),
        (plugins, "workload odd.count: os:getcwd is no function", "工作负载 odd.count：os:getcwd 不是函数"),
        (plugins, "it gives workload 'odd.count' twice", "它两次提供了工作负载 'odd.count'"),
        (audit, "godot 4.6: its adapter can't list the textures (KeyError: 1).",
         "godot 4.6：其适配器无法列出贴图（KeyError: 1）。"),
        (audit, "/my game: the adapter failed while it wrote import settings (KeyError: 1 (a/b.py:3)). "
         "Some may be written: `popbridge revert 3` puts these back.",
         "/my game：适配器写入导入设置时出错（KeyError: 1 (a/b.py:3)）。部分设置可能已写入："
         "可用 `popbridge revert 3` 还原。"),
        (tune, "its sample of a job failed (SystemExit: 3)", "其任务样例出错（SystemExit: 3）"),
        (tune, "what its batches are worth is measured by jobs without inputs, and it takes at least one",
         "批处理的效果以没有输入的任务测量，而它至少需要一个输入"),
        (reasons, "the workload gave NoneType, not Output", "工作负载返回了 NoneType，而不是 Output"),
        (reasons, "the workload's files[1].data is str, not bytes",
         "工作负载的 files[1].data 为 str，而不是 bytes"),
        (held, "the operation's image \"joe's\" is NoneType, not Raster",
         "操作的图像 \"joe's\" 为 NoneType，而不是 Raster"),
        (held, "the operation's image 'faded', layer 2, mip 1, has pixels of type int8; it must be one of "
         "uint8, uint16",
         "操作的图像 'faded'（第 2 层，第 1 级 mip）的像素类型为 int8，而应为 uint8, uint16 之一"),
        (held, "the operation's image 'faded', mip 1, has pixels that are list, not numpy.ndarray",
         "操作的图像 'faded'（第 1 级 mip）的像素为 list，而不是 numpy.ndarray"),
        (held, "the operation's image 'faded', layer 2 has the name None; it must be text",
         "操作的图像 'faded'（第 2 层）的 name 为 None，而应为文本"),
        (reasons, "image.pipeline (step 2, acme.fade) failed; the daemon's log has the details",
         "image.pipeline 的第 2 步 acme.fade 失败：详情见守护进程的日志"),
        (plugins, "it gives workload 'a.b', as PopBridge itself does: uninstall this plugin",
         "它提供的工作负载 'a.b' 与 PopBridge 自身的重名：请卸载该插件"),
        (plugins, "it gives advisor \"joe's\", as plugin \"joe's\" (joe 1.0) does, which goes first by its "
         "name: uninstall one of them",
         "它提供的顾问 \"joe's\" 与名称排序在前的插件 \"joe's\"（joe 1.0）的重名：请卸载其中一个"),
        (reasons, "the workload's value['a b'][1] is numpy.float32, which is no plain type",
         "工作负载的 value['a b'][1] 为 numpy.float32，不是普通类型"),
    ],
)  # fmt: skip
def test_what_plugins_give_is_told_in_chinese(phrases: Any, said: str, chinese: str) -> None:
    assert Phrases(phrases.PATTERNS).in_chinese(said) == chinese
