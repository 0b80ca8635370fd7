"""GPU implementations of image workloads.

They take the same parameters, and agree with the CPU within one 8-bit step, so caches don't distinguish
them. Options that the graphs don't support, such as alpha coverage, fall back to the CPU implementation.
"""

from __future__ import annotations

from accel.image.operation import Operation, operation
from accel.image.operations.channels import PackChannels, pack_channels
from accel.image.operations.geometry import Mipmaps, Resize, mipmaps, resize
from accel.image.operations.normals import NormalFromHeight, normal_from_height
from accel.workload import implementation

normal_from_height_on_gpu = operation(
    normal_from_height.workload.name, version=normal_from_height.workload.version, params=NormalFromHeight
)(
    implementation(
        "accel.gpu_ops.operators:normal_from_height_on_gpu", "Computes `normal_from_height` on the GPU."
    )
)

resize_on_gpu = operation(
    resize.workload.name, version=resize.workload.version, params=Resize, levels=True, layers=True
)(implementation("accel.gpu_ops.operators:resize_on_gpu", "Computes `resize` on the GPU."))

mipmaps_on_gpu = operation(
    mipmaps.workload.name,
    version=mipmaps.workload.version,
    params=Mipmaps,
    inputs=(1, 2),
    companions=True,
    layers=True,
)(implementation("accel.gpu_ops.operators:mipmaps_on_gpu", "Computes `mipmaps` on the GPU."))

pack_channels_on_gpu = operation(
    pack_channels.workload.name,
    version=pack_channels.workload.version,
    params=PackChannels,
    inputs=pack_channels.workload.inputs,
)(implementation("accel.gpu_ops.operators:pack_channels_on_gpu", "Computes `pack_channels` on the GPU."))

FORMS: dict[str, Operation] = {
    form.workload.name: form
    for form in (normal_from_height_on_gpu, resize_on_gpu, mipmaps_on_gpu, pack_channels_on_gpu)
}
"""Operations by workload name."""
