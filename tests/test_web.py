"""What all pages share."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from bridge import web


@pytest.mark.parametrize("text", ["</script><script>x", "<!--", "a & b", "\u2028", "岩 'x' \"y\""])
def test_json_in_a_page_cannot_end_its_element(text: str) -> None:
    shown = web.script_json({"name": text})
    assert not set("<>&\u2028") & set(shown) and json.loads(shown) == {"name": text}


def test_a_bundle_has_all_modules_and_no_imports(tmp_path: Path) -> None:
    own = tmp_path / "own.js"
    own.write_text('import { h } from "../web/dom.js";\nexport const own = () => h("p");\n', encoding="utf-8")
    script = web.bundle(own)
    lines = script.splitlines()
    assert not any(line.startswith(("import ", "export ")) for line in lines)
    assert script.index("function h(") < script.index("class Windowed") < script.index("const own")
    if node := shutil.which("node"):
        bundle = tmp_path / "bundle.js"
        bundle.write_text(script, encoding="utf-8")
        subprocess.run([node, "--check", str(bundle)], check=True)


def test_the_policy_changes_with_the_script() -> None:
    first, second = (web.content_security_policy(script, "") for script in ("a", "b"))
    assert first != second and first.startswith("default-src 'none'")
