from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image
from pydantic import TypeAdapter

from surgery.errors import DataInvalid, FileMissing, FileUnreadable, SurgeryError, UntrustedImport
from surgery.model.catalogue import applications
from surgery.recipe.data import DataSource
from surgery.training.data.examples import ArrayExamples, Stream
from surgery.training.data.image_folder import ImageFolder
from surgery.training.data.npz_file import NpzFile
from surgery.training.data.opening import open_data, split
from surgery.training.data.prepare import preprocess_input
from surgery.training.place import Place
from tests.training import small

pytestmark = pytest.mark.keras

FIELD = ("training", "data", "train")


def opened(folder: Path, source: dict[str, Any], model: Any = None, trust: tuple[str, ...] = ()) -> Any:
    declared = TypeAdapter(DataSource).validate_python(source)
    return open_data(declared, model or small.model(), Place(folder, FIELD, trust))


def refused(folder: Path, source: dict[str, Any], **others: Any) -> SurgeryError:
    with pytest.raises(SurgeryError) as caught:
        opened(folder, source, **others)
    return caught.value


@pytest.fixture
def npz(tmp_path: Path) -> dict[str, Any]:
    np.savez(
        tmp_path / "data.npz",
        x_train=np.arange(32, dtype="uint8").reshape(4, 8),
        y_train=np.array([0, 1, 2, 0], "uint8"),
        short=np.zeros(3),
        objects=np.array([{}, None], dtype=object),
        weight=np.ones(4),
    )
    return {"npz": "data.npz", "x": "x_train", "y": "y_train"}


def test_npz_arrays_come_as_the_model_takes_them(tmp_path: Path, npz: dict[str, Any]) -> None:
    x, y = opened(tmp_path, npz | {"scale": 0.5, "offset": 1.0}).take(np.array([3, 0]))
    assert x.dtype == "float32"
    assert x[:, 0].tolist() == [13.0, 1.0]
    assert (y.dtype, y.tolist()) == ("int64", [0, 0])


def test_weights_of_samples_come_with_them(tmp_path: Path, npz: dict[str, Any]) -> None:
    assert opened(tmp_path, npz | {"sample_weight": "weight"}).take(np.array([1]))[2].tolist() == [1.0]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_stored_arrays_are_mapped_and_equal(tmp_path: Path, save: Any) -> None:
    arrays = {
        "a": np.random.default_rng(0).normal(size=(5, 3)),
        "f": np.asfortranarray(np.eye(4)[:3]),
        "e": np.zeros((0, 2)),
    }
    save(tmp_path / "a.npz", **arrays)
    file = NpzFile(tmp_path / "a.npz")
    assert isinstance(file["a"], np.memmap)
    for name, array in arrays.items():
        np.testing.assert_array_equal(file[name], array)


@pytest.mark.parametrize(
    ("change", "kind", "field", "text"),
    [
        ({"npz": "dat.npz"}, FileMissing, ("npz",), "did you mean 'data.npz'?"),
        ({"x": "x_trian"}, DataInvalid, ("x",), "did you mean 'x_train'?"),
        ({"y": "short"}, DataInvalid, (), "x_train 4, short 3"),
        ({"x": "objects"}, DataInvalid, ("x",), "never unpickled"),
        ({"x": {"image": "x_train"}}, DataInvalid, ("x", "image"), "the model has no 'image'"),
    ],
)
def test_what_an_npz_lacks_is_said_at_its_key(
    tmp_path: Path, npz: dict[str, Any], change: dict[str, Any], kind: type, field: tuple[str, ...], text: str
) -> None:
    error = refused(tmp_path, npz | change)
    assert type(error) is kind
    assert error.field == FIELD + field
    assert text in str(error)


def test_a_file_that_is_no_zip(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"no zip")
    error = refused(tmp_path, {"npz": "a.npz", "x": "x", "y": "y"})
    assert type(error) is FileUnreadable
    assert error.field == (*FIELD, "npz")


def test_several_inputs_are_taken_by_name(tmp_path: Path) -> None:
    left, right = keras.Input((2,), name="left"), keras.Input((3,), name="right")
    model = keras.Model([left, right], keras.layers.Concatenate()([left, right]))
    np.savez(tmp_path / "a.npz", r=np.ones((2, 3)), n=np.zeros((2, 2)), y=np.zeros(2))
    data = opened(tmp_path, {"npz": "a.npz", "x": {"right": "r", "left": "n"}, "y": "y"}, model)
    x, _ = data.take(np.array([0]))
    assert [part.shape for part in x] == [(1, 2), (1, 3)]
    assert "left: ARRAY, right: ARRAY" in str(refused(tmp_path, {"npz": "a.npz", "x": "r", "y": "y"}, model=model))


def test_every_application_has_its_preprocessing() -> None:
    assert all(callable(preprocess_input(name)) for name in applications())


def test_preprocessing_leaves_the_stored_images_alone(tmp_path: Path) -> None:
    images = np.full((2, 4, 4, 3), 100, "float32")
    np.savez(tmp_path / "a.npz", x=images, y=np.zeros(2))
    model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Flatten()])
    data = opened(tmp_path, {"npz": "a.npz", "x": "x", "y": "y", "preprocess": "VGG16"}, model)
    expected = keras.applications.vgg16.preprocess_input(images.copy())
    for _ in range(2):
        np.testing.assert_array_equal(data.take(np.array([0, 1]))[0], expected)


def test_csv_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('kind,"width, cm",height\nb,1.5,2\na,3,4.5\n')
    data = opened(tmp_path, {"csv": "a.csv", "target": "kind"})
    x, y = data.take(np.array([0, 1]))
    assert x.tolist() == [[1.5, 2.0], [3.0, 4.5]]
    assert y.tolist() == [1, 0]
    data = opened(tmp_path, {"csv": "a.csv", "target": "height", "features": ("width, cm",)})
    assert data.targets[0].tolist() == [2.0, 4.5]
    named = opened(tmp_path, {"csv": "a.csv", "target": "kind", "class_names": ("b", "a")})
    assert named.targets[0].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("text", "source", "field", "what"),
    [
        ("a,b\n1,2\n", {"target": "bb"}, ("target",), "did you mean 'b'?"),
        ("a,b\n1,2\n", {"target": "b", "features": ("c",)}, ("features", 0), "has no column 'c'"),
        ("a,b\n1,2\nx,3\n", {"target": "b"}, (), "line 3: 'x' in column 'a' is no number"),
        ("a,b\n1,2\n,3\n", {"target": "b"}, (), "line 3: column 'a' is empty"),
        ("a,b\n1,2\n1\n", {"target": "b"}, (), "line 3: 1 cells, and 2 columns"),
        ("a,b\n", {"target": "b"}, ("csv",), "has no rows"),
        ("a,b\n1,x\n", {"target": "b", "class_names": ("y", "z")}, (), "has the label 'x'"),
    ],
)
def test_what_is_wrong_with_a_csv(
    tmp_path: Path, text: str, source: dict[str, Any], field: tuple[str | int, ...], what: str
) -> None:
    (tmp_path / "a.csv").write_text(text)
    error = refused(tmp_path, {"csv": "a.csv"} | source)
    assert error.field == FIELD + field
    assert what in str(error)


@pytest.fixture
def images(tmp_path: Path) -> dict[str, Any]:
    for name, level in (("night", 10), ("day", 200)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (6, 4), (level, level, level)).save(tmp_path / f"images/{name}/{number}.png")
    (tmp_path / "images/day/readme.txt").write_text("no image")
    return {"image_folder": "images"}


def pictures(channels: int = 3) -> keras.Model:
    return keras.Sequential([keras.Input((5, 7, channels)), keras.layers.Flatten(), keras.layers.Dense(2)])


def test_images_have_the_size_of_the_model_and_classes_by_folder(tmp_path: Path, images: dict[str, Any]) -> None:
    data = opened(tmp_path, images | {"scale": 0.01}, pictures())
    assert data.class_names == ("day", "night")
    x, y = data.take(np.array([3, 0]))
    assert (x.shape, x.dtype) == ((2, 5, 7, 3), "float32")
    assert x[:, 0, 0, 0] == pytest.approx([0.1, 2.0])
    assert y.tolist() == [1, 0]


def test_images_as_grey_one_hot_in_another_order(tmp_path: Path, images: dict[str, Any]) -> None:
    source = {"color_mode": "grayscale", "label_mode": "categorical", "class_names": ("night", "day")}
    data = opened(tmp_path, images | source | {"image_size": (3, 3)}, pictures(1))
    x, y = data.take(np.array([0]))
    assert x.shape == (1, 3, 3, 1)
    assert y.tolist() == [[1.0, 0.0]]


def test_folders_of_images_that_do_not_fit(tmp_path: Path, images: dict[str, Any]) -> None:
    error = refused(tmp_path, images | {"class_names": ("day", "dusk")}, model=pictures())
    assert "'dusk': there is no such subfolder" in str(error)
    (tmp_path / "images/dusk").mkdir()
    assert "has 3 classes" in str(refused(tmp_path, images | {"label_mode": "binary"}, model=pictures()))
    assert "is a file" in str(refused(tmp_path, {"image_folder": "images/day/0.png"}, model=pictures()))
    assert "holds no images" in str(refused(tmp_path, {"image_folder": "images/day"}, model=pictures()))
    assert "gives no height and width" in str(refused(tmp_path, images))


def test_an_image_that_is_none_is_named(tmp_path: Path, images: dict[str, Any]) -> None:
    (tmp_path / "images/day/1.png").write_bytes(b"no image")
    data = opened(tmp_path, images, pictures())
    assert isinstance(data, ImageFolder)
    with pytest.raises(FileUnreadable, match=r"day/1\.png is no image"):
        data.take(np.array([1]))


@pytest.fixture
def factories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "small_factories.py").write_text(
        "import keras, numpy as np\n"
        "class Own(keras.utils.PyDataset):\n"
        "    def __len__(self): return 1\n"
        "    def __getitem__(self, index): return np.zeros((2, 8)), np.zeros(2)\n"
        "def own(): return Own()\n"
        "def arrays(length): return np.zeros((length, 8)), np.zeros(length, 'int64')\n"
        "def nothing(): return None\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield "small_factories"
    sys.modules.pop("small_factories", None)


def test_factories_stream_or_return_arrays(tmp_path: Path, factories: str) -> None:
    trust = (factories,)
    assert isinstance(opened(tmp_path, {"factory": f"{factories}:own"}, trust=trust), Stream)
    arrays = opened(tmp_path, {"factory": f"{factories}:arrays", "arguments": {"length": 3}}, trust=trust)
    assert isinstance(arrays, ArrayExamples)
    assert len(arrays) == 3
    assert "returned a NoneType" in str(refused(tmp_path, {"factory": f"{factories}:nothing"}, trust=trust))


def test_code_that_nobody_granted_is_not_imported(tmp_path: Path, factories: str) -> None:
    error = refused(tmp_path, {"factory": f"{factories}:own"})
    assert type(error) is UntrustedImport
    assert error.field == (*FIELD, "factory")
    assert factories not in sys.modules


def test_a_split_keeps_every_example_once_and_follows_the_seed() -> None:
    data = small.examples(20)
    train, validation = split(data, 0.25, 7)
    assert (len(train), len(validation)) == (15, 5)
    assert sorted([*train.indices, *validation.indices]) == list(range(20))
    assert split(data, 0.25, 8)[1].indices.tolist() != validation.indices.tolist()
    assert train.take(np.array([0]))[1] == data.y[0][train.indices[:1]]
