"""Which channels of its textures a shader's source reads."""

from __future__ import annotations

import time

import pytest

from bridge.api import Reads, texture_reads, without_comments


def reads(source: str, declared: int = 0) -> Reads | None:
    found = texture_reads(source, {"tex"}, {"tex": declared}, {"SAMPLE_TEXTURE2D"}, {"TEXTURE2D"})
    return found.get("tex")


@pytest.mark.parametrize(
    ("source", "channels"),
    [
        ("x = texture(tex, UV).r;", "r"),
        ("x = texture(tex, UV * vec2(f(1.0), 2.0)).zw;", "ba"),
        ("x = (texture(tex, UV)).rgb;", "rgb"),
        ("x = texture2D(tex, uv).st;", "rg"),
        ("x = tex2D(tex, uv).a + tex2Dlod(tex, uv).g;", "ga"),
        ("x = SAMPLE_TEXTURE2D(tex, sampler_tex, uv).r;", "r"),
        ("x = tex.Sample(sampler_tex, uv).y;", "g"),
        ("x = texture(tex, UV);", "rgba"),
        ("x = dot(texture(tex, UV), channel);", "rgba"),
        ("vec4 t = texture(tex, UV); x = t.rg; y = t.x;", "rg"),
        ("fixed4 t = tex2D (tex, uv) * _Color; x = t.rgb;", "rgb"),
        ("vec4 t = texture(tex, UV); x = t.rg; y = f(t);", "rgba"),
        ("x = UnpackNormal(tex2D(tex, uv));", "rgb"),
        # Unknown: a macro, another function, an alias.
        ("x = texture(tex, UV).r + MACRO(tex);", ""),
        ("x = texture(tex, UV).r + blur(UV, tex);", ""),
        ("#define other tex\nx = texture(tex, UV).r;", ""),
    ],
)
def test_the_channels_of_a_read_are_known_or_unknown(source: str, channels: str) -> None:
    found = reads(source)
    assert found is not None and found.channels == channels


def test_declarations_read_nothing() -> None:
    assert reads("uniform sampler2D tex; x = texture(tex, UV).r;", declared=1) == Reads("r", False)
    assert reads("TEXTURE2D(tex); SAMPLER(sampler_tex); x = SAMPLE_TEXTURE2D(tex, s, uv).r;") == Reads(
        "r", False
    )
    assert reads("uniform sampler2D tex; float context = textures(text, 1.0).r;", declared=1) is None


@pytest.mark.parametrize(
    "source",
    ["NORMAL_MAP = texture(tex, UV).xyz;", "n = UnpackNormal(tex2D(tex, uv));",
     "n = UnpackScaleNormal(tex2D(tex, uv), _Scale);",
     "n = UnpackNormalScale(SAMPLE_TEXTURE2D(tex, s, uv), 1);"],
)  # fmt: skip
def test_unpacked_vectors_are_normals(source: str) -> None:
    assert reads(source) == Reads("rgb", True)


def test_comments_count_for_nothing() -> None:
    source = without_comments("a = texture(tex, UV).r; // texture(tex, UV).g\n/* texture(tex,\nUV).b */")
    assert reads(source) == Reads("r", False)


@pytest.mark.parametrize(
    "source", ["texture(tex," * 50_000, "vec4 t = texture(tex," * 30_000, "t . r" * 100_000, "/*" * 200_000]
)
def test_no_source_takes_long(source: str) -> None:
    begin = time.process_time()
    reads(without_comments(source))
    assert time.process_time() - begin < 5
