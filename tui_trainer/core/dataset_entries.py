"""The datasets that tuitrain knows by name."""

from __future__ import annotations

from typing import Any

from tui_trainer.core import class_names
from tui_trainer.core.dataset_entry import DatasetEntry


def _image(name: str, title: str, shape: tuple[int, ...], **facts: Any) -> DatasetEntry:
    """Images that are downloaded, or imported from their original files."""
    usual: dict[str, Any] = {
        "classes": (),
        "origin": "download or import",
        "default_model": "convnet" if shape[-1] < 64 else "torchvision:resnet18",
        "importable": True,
    }
    return DatasetEntry(name=name, title=title, kind="image", shape=shape, **usual | facts)


def _table(name: str, title: str, num_features: int, **facts: Any) -> DatasetEntry:
    """A table that scikit-learn ships."""
    usual: dict[str, Any] = {
        "classes": (),
        "origin": "scikit-learn",
        "default_model": "tabular-mlp",
        "is_installed": True,
    }
    return DatasetEntry(
        name=name, title=title, kind="table", shape=(num_features,), **usual | facts
    )


_SMALL_IMAGES = (
    _image(
        "digits",
        "1,797 handwritten digits of 8×8 pixels (UCI, shipped with scikit-learn)",
        (1, 8, 8),
        classes=class_names.DIGITS,
        train_count=1438,
        test_count=359,
        origin="scikit-learn",
        importable=False,
        is_installed=True,
        licence="CC BY 4.0",
        source="https://archive.ics.uci.edu/dataset/80",
    ),
    _image(
        "mnist",
        "70,000 handwritten digits of 28×28 pixels (LeCun, Cortes, Burges)",
        (1, 28, 28),
        classes=class_names.DIGITS,
        train_count=60_000,
        test_count=10_000,
        source="http://yann.lecun.com/exdb/mnist/",
        download_bytes=11_594_722,
    ),
    _image(
        "fashion-mnist",
        "70,000 grey pictures of clothes of 28×28 pixels (Zalando)",
        (1, 28, 28),
        classes=class_names.FASHION,
        train_count=60_000,
        test_count=10_000,
        licence="MIT",
        source="https://github.com/zalandoresearch/fashion-mnist",
        download_bytes=30_878_645,
    ),
    _image(
        "kmnist",
        "70,000 handwritten cursive hiragana of 28×28 pixels (CODH)",
        (1, 28, 28),
        classes=class_names.KUZUSHIJI,
        train_count=60_000,
        test_count=10_000,
        licence="CC BY-SA 4.0",
        source="https://github.com/rois-codh/kmnist",
        download_bytes=21_240_888,
    ),
    _image(
        "emnist",
        "131,600 handwritten letters and digits of 28×28 pixels, 47 classes alike in number (NIST)",
        (1, 28, 28),
        classes=class_names.BALANCED,
        train_count=112_800,
        test_count=18_800,
        source="https://www.nist.gov/itl/products-and-services/emnist-dataset",
        download_bytes=561_753_746,
    ),
    _image(
        "emnist-letters",
        "145,600 handwritten letters of 28×28 pixels, large and small alike (NIST)",
        (1, 28, 28),
        classes=class_names.LETTERS,
        train_count=124_800,
        test_count=20_800,
        source="https://www.nist.gov/itl/products-and-services/emnist-dataset",
        download_bytes=561_753_746,
    ),
    _image(
        "emnist-digits",
        "280,000 handwritten digits of 28×28 pixels (NIST)",
        (1, 28, 28),
        classes=class_names.DIGITS,
        train_count=240_000,
        test_count=40_000,
        source="https://www.nist.gov/itl/products-and-services/emnist-dataset",
        download_bytes=561_753_746,
    ),
    _image(
        "qmnist",
        "MNIST made anew, with 60,000 digits to test on of 28×28 pixels (Yadav, Bottou)",
        (1, 28, 28),
        classes=class_names.DIGITS,
        train_count=60_000,
        test_count=60_000,
        licence="BSD 3-Clause",
        source="https://github.com/facebookresearch/qmnist",
        download_bytes=20_400_000,
    ),
    _image(
        "usps",
        "9,298 handwritten digits of 16×16 pixels from envelopes (Hull)",
        (1, 16, 16),
        classes=class_names.DIGITS,
        train_count=7291,
        test_count=2007,
        source="https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass.html#usps",
        download_bytes=8_411_109,
    ),
    _image(
        "svhn",
        "99,289 house numbers of 32×32 pixels from street views (Stanford)",
        (3, 32, 32),
        classes=class_names.DIGITS,
        train_count=73_257,
        test_count=26_032,
        licence="non-commercial use only",
        source="http://ufldl.stanford.edu/housenumbers/",
        download_bytes=246_316_178,
    ),
    _image(
        "cifar10",
        "60,000 colour photos of 32×32 pixels, 10 classes (Krizhevsky)",
        (3, 32, 32),
        classes=class_names.CIFAR10,
        train_count=50_000,
        test_count=10_000,
        source="https://www.cs.toronto.edu/~kriz/cifar.html",
        download_bytes=170_498_071,
    ),
    _image(
        "cifar100",
        "60,000 colour photos of 32×32 pixels, 100 classes (Krizhevsky)",
        (3, 32, 32),
        classes=class_names.CIFAR100,
        train_count=50_000,
        test_count=10_000,
        source="https://www.cs.toronto.edu/~kriz/cifar.html",
        download_bytes=169_001_437,
    ),
    _image(
        "fake",
        "6,000 made-up pictures of 32×32 pixels, 10 classes: to try a machine, or a model",
        (3, 32, 32),
        classes=class_names.PATTERNS,
        train_count=5000,
        test_count=1000,
        origin="made by tuitrain",
        importable=False,
        is_installed=True,
        licence="none needed",
        source="tuitrain",
    ),
)
_PHOTOS = (
    _image(
        "stl10",
        "13,000 colour photos of 96×96 pixels, 10 classes (Coates, Lee, Ng)",
        (3, 96, 96),
        classes=class_names.STL10,
        train_count=5000,
        test_count=8000,
        source="https://cs.stanford.edu/~acoates/stl10/",
        download_bytes=2_640_397_119,
    ),
    _image(
        "imagenet",
        "1,331,167 photos of 1,000 classes, from a copy that you have (ILSVRC 2012)",
        (3, 224, 224),
        class_count=1000,
        train_count=1_281_167,
        test_count=50_000,
        origin="import",
        licence="non-commercial research and education only",
        source="https://image-net.org/challenges/LSVRC/2012/",
        size=224,
    ),
    _image(
        "caltech101",
        "8,677 photos of things of 101 classes (Fei-Fei, Fergus, Perona)",
        (3, 128, 128),
        class_count=101,
        train_count=6942,
        test_count=1735,
        licence="CC BY 4.0",
        source="https://data.caltech.edu/records/mzrjq-6wc02",
        size=128,
        download_bytes=137_414_764,
    ),
    _image(
        "oxford-pets",
        "7,349 photos of cats and dogs of 37 breeds (Parkhi, Vedaldi, Zisserman, Jawahar)",
        (3, 128, 128),
        class_count=37,
        train_count=3680,
        test_count=3669,
        licence="CC BY-SA 4.0",
        source="https://www.robots.ox.ac.uk/~vgg/data/pets/",
        size=128,
        download_bytes=811_092_049,
    ),
    _image(
        "flowers102",
        "8,189 photos of 102 kinds of flowers, most of them to test on (Nilsback, Zisserman)",
        (3, 128, 128),
        classes=class_names.FLOWERS,
        train_count=1020,
        test_count=6149,
        validation_count=1020,
        source="https://www.robots.ox.ac.uk/~vgg/data/flowers/102/",
        size=128,
        download_bytes=344_878_000,
    ),
    _image(
        "food101",
        "101,000 photos of 101 dishes (Bossard, Guillaumin, Van Gool)",
        (3, 128, 128),
        class_count=101,
        train_count=75_750,
        test_count=25_250,
        licence="scientific fair use only",
        source="https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/",
        size=128,
        download_bytes=4_996_278_331,
    ),
)
_TABLES = (
    _table(
        "iris",
        "150 irises of three species by 4 measures (Fisher, shipped with scikit-learn)",
        4,
        classes=("setosa", "versicolor", "virginica"),
        train_count=120,
        test_count=30,
        licence="CC BY 4.0",
        source="https://archive.ics.uci.edu/dataset/53",
    ),
    _table(
        "wine",
        "178 wines of three growers by 13 measures (UCI, shipped with scikit-learn)",
        13,
        classes=("class_0", "class_1", "class_2"),
        train_count=142,
        test_count=36,
        licence="CC BY 4.0",
        source="https://archive.ics.uci.edu/dataset/109",
    ),
    _table(
        "breast-cancer",
        "569 tumours by 30 measures, Wisconsin (UCI, shipped with scikit-learn)",
        30,
        classes=("malignant", "benign"),
        train_count=456,
        test_count=113,
        licence="CC BY 4.0",
        source="https://archive.ics.uci.edu/dataset/17",
    ),
    _table(
        "diabetes",
        "442 patients by 10 measures, how far their disease goes (shipped with scikit-learn)",
        10,
        task="regression",
        targets=("progression",),
        train_count=354,
        test_count=88,
        source="https://www4.stat.ncsu.edu/~boos/var.select/diabetes.html",
    ),
)

DATASETS: dict[str, DatasetEntry] = {
    entry.name: entry for entry in (*_SMALL_IMAGES, *_PHOTOS, *_TABLES)
}
