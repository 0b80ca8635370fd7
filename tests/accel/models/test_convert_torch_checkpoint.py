"""Files as PyTorch before 1.6 wrote them, made by hand: no PyTorch is needed to make one either."""

import pickle
from collections import OrderedDict

import numpy as np
import pytest

from accel.models import convert_torch
from accel.models.convert_torch import UnreadableCheckpoint, weights


class Global:
    """Pickles as the name of something in a module that isn't here."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Call:
    """Pickles as a call of such a thing."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments


class Storage:
    """Pickles as a reference to numbers that follow after the pickles."""

    def __init__(self, kind, key, size):
        self.pid = ("storage", Global("torch", kind), key, "cpu", size, None)


class Pickler(pickle._Pickler):
    def persistent_id(self, obj):
        return obj.pid if isinstance(obj, Storage) else None

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Global):
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, Call):
            self.save(obj.function)
            self.save(obj.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(obj, save_persistent_id)


def dumped(obj):
    import io

    made = io.BytesIO()
    Pickler(made, 2).dump(obj)
    return made.getvalue()


def tensor(storage, offset, shape, strides):
    rebuild = Global("torch._utils", "_rebuild_tensor_v2")
    return Call(rebuild, storage, offset, shape, strides, False, OrderedDict())


def saved(state, numbers, *, magic=convert_torch.MAGIC, little=True):
    head = dumped(magic) + dumped(convert_torch.PROTOCOL) + dumped({"little_endian": little})
    tail = b"".join(len(one).to_bytes(8, "little") + one.tobytes() for one in numbers.values())
    return head + dumped(state) + dumped(list(numbers)) + tail


NUMBERS = np.arange(12, dtype="<f4")


def one(offset=0, shape=(3, 4), strides=(4, 1), size=12, kind="FloatStorage"):
    state = OrderedDict(w=tensor(Storage(kind, "7", size), offset, shape, strides))
    return saved(state, {"7": NUMBERS})


def test_a_tensor_is_read():
    assert np.array_equal(weights(one())["w"], NUMBERS.reshape(3, 4))


def test_a_tensor_may_lie_in_any_order_in_a_part_of_its_storage():
    found = weights(one(offset=1, shape=(2, 3), strides=(1, 4)))["w"]
    assert found.tolist() == [[1, 5, 9], [2, 6, 10]]
    assert found.flags.c_contiguous


def test_a_single_number_has_no_shape():
    state = OrderedDict(n=tensor(Storage("LongStorage", "1", 1), 0, (), ()))
    assert weights(saved(state, {"1": np.array([5], "<i8")}))["n"] == 5


def test_other_values_than_tensors_are_ignored():
    state = OrderedDict(epoch=3, w=tensor(Storage("FloatStorage", "7", 12), 0, (12,), (1,)))
    assert list(weights(saved(state, {"7": NUMBERS}))) == ["w"]


class Evil:
    def __reduce__(self):
        import os

        return os.system, ("echo owned > owned",)


def test_no_code_in_a_checkpoint_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnreadableCheckpoint, match=r"(posix|nt).system"):
        weights(saved({"w": Evil()}, {}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "can't be read"),
        (b"PK\3\4 a newer file", "can't be read"),
        (saved({}, {}, magic=5), "legacy format"),
        (saved({}, {}, little=False), "big-endian"),
        (one()[:-1], "truncated"),
        (one(size=11), "truncated"),
        (one(shape=(4, 4)), "exceeds its storage"),
        (one(shape=(0, 4)), "exceeds its storage"),
        (one(offset=-1), "invalid layout"),
        (one(shape=(3,)), "invalid layout"),
        (one(kind="HalfStorage"), "torch.HalfStorage"),
        (one(size=1 << 40), "unsupported"),
    ],
)
def test_other_and_damaged_files_are_refused(data, says):
    with pytest.raises(UnreadableCheckpoint, match=says):
        weights(data)
