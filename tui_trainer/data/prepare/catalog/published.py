"""The files that datasets are published in: where they lie, and the MD5 that they must have.

They are those that torchvision's dataset classes name, which a test compares. The classes are not
asked at run time: importing torchvision alone takes more memory than preparing may.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedFile:
    """A file as its authors publish it; it is the same at each of `urls`."""

    name: str
    md5: str
    urls: tuple[str, ...]


def _publish(files: Mapping[str, str], *folders: str) -> tuple[PublishedFile, ...]:
    """Files by name and MD5, all of which lie in each of the folders."""
    return tuple(
        PublishedFile(name, md5, tuple(f"{folder}{name}" for folder in folders))
        for name, md5 in files.items()
    )


_MNIST = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
_FASHION = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}
_KMNIST = {
    "train-images-idx3-ubyte.gz": "bdb82020997e1d708af4cf47b453dcf7",
    "train-labels-idx1-ubyte.gz": "e144d726b3acfaa3e44228e80efcd344",
    "t10k-images-idx3-ubyte.gz": "5c965bf0a639b31b8f53240b1b52f4d7",
    "t10k-labels-idx1-ubyte.gz": "7320c461ea6c1c855c0b718fb2a4b134",
}
_QMNIST = {
    "qmnist-train-images-idx3-ubyte.gz": "ed72d4157d28c017586c42bc6afe6370",
    "qmnist-train-labels-idx2-int.gz": "0058f8dd561b90ffdd0f734c6a30e5e4",
    "qmnist-test-images-idx3-ubyte.gz": "1394631089c404de565df7b7aeaf9412",
    "qmnist-test-labels-idx2-int.gz": "5b5b05890a5e13444e108efe57b788aa",
}
_EMNIST = _publish(
    {"gzip.zip": "58c8d27c78d21e728a6bc7b3cc06412e"},
    "https://biometrics.nist.gov/cs_links/EMNIST/",
)

PUBLISHED: dict[str, tuple[PublishedFile, ...]] = {
    "mnist": _publish(
        _MNIST,
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ),
    "fashion-mnist": _publish(
        _FASHION, "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
    ),
    "kmnist": _publish(_KMNIST, "http://codh.rois.ac.jp/kmnist/dataset/kmnist/"),
    "emnist": _EMNIST,
    "emnist-letters": _EMNIST,
    "emnist-digits": _EMNIST,
    "qmnist": _publish(
        _QMNIST, "https://raw.githubusercontent.com/facebookresearch/qmnist/master/"
    ),
    "usps": _publish(
        {
            "usps.bz2": "ec16c51db3855ca6c91edd34d0e9b197",
            "usps.t.bz2": "8ea070ee2aca1ac39742fdd1ef5ed118",
        },
        "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/",
    ),
    "svhn": _publish(
        {
            "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
            "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
        },
        "http://ufldl.stanford.edu/housenumbers/",
    ),
    "cifar10": _publish(
        {"cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a"},
        "https://www.cs.toronto.edu/~kriz/",
    ),
    "cifar100": _publish(
        {"cifar-100-python.tar.gz": "eb9058c3a382ffc7106e4002c42a8d85"},
        "https://www.cs.toronto.edu/~kriz/",
    ),
    "stl10": _publish(
        {"stl10_binary.tar.gz": "91f7769df0f17e558f3565bffb0c7dfb"},
        "http://ai.stanford.edu/~acoates/stl10/",
    ),
    "caltech101": _publish(
        {"caltech-101.zip": "3138e1922a9193bfa496528edbbc45d0"},
        "https://data.caltech.edu/records/mzrjq-6wc02/files/",
    ),
    "oxford-pets": _publish(
        {
            "images.tar.gz": "5c4f3ee8e5d25df40f4fd59a7f44e54c",
            "annotations.tar.gz": "95a8c909bbe2e81eed6a22bccdf3f68f",
        },
        "https://www.robots.ox.ac.uk/~vgg/data/pets/data/",
    ),
    "flowers102": _publish(
        {
            "102flowers.tgz": "52808999861908f626f3c1f4e79d11fa",
            "imagelabels.mat": "e0620be6f572b9609742df49c70aed4d",
            "setid.mat": "a5357ecc9cb78c4bef273ce3793fc85c",
        },
        "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/",
    ),
    "food101": _publish(
        {"food-101.tar.gz": "85eeb15f3717b99a5da872d97d918f87"},
        "http://data.vision.ee.ethz.ch/cvl/",
    ),
}

UNPACKED_MD5 = {
    "6bbc9ace898e44ae57da46a324031adb": "train-images-idx3-ubyte",
    "a25bea736e30d166cdddb491f175f624": "train-labels-idx1-ubyte",
    "2646ac647ad5339dbf082846283269ea": "t10k-images-idx3-ubyte",
    "27ae3e4e09519cfbb04c329615203637": "t10k-labels-idx1-ubyte",
    "c99cafc152244af753f735de768cd75f": "data_batch_1",
    "d4bba439e000b95fd0a9bffe97cbabec": "data_batch_2",
    "54ebc095f3ab1f0389bbae665268c751": "data_batch_3",
    "634d18415352ddfa80567beed471001a": "data_batch_4",
    "482c414d41f54cd18b22e5b47cb7c3cb": "data_batch_5",
    "40351d587109b95175f43aff81a1287e": "test_batch",
    "5ff9c542aee3614f3951f8cda6e48888": "batches.meta",
    "7973b15100ade9c7d40fb424638fde48": "meta",
    "16019d7e3df5f24257cddd939b257f8d": "train",
    "f0ef6b0ae62326f3e7ffdfab6717acfc": "test",
    "918c2871b30a85fa023e0c44e0bee87f": "train_X.bin",
    "5a34089d4802c674881badbb80307741": "train_y.bin",
    "7f263ba9f9e0b06b93213547f721ac82": "test_X.bin",
    "36f9794fa4beb8a2c72628de14fa638e": "test_y.bin",
}
"""Published files that lie within archives, by their MD5: MNIST's, CIFAR's and STL-10's."""


def is_published(dataset: str, md5: str) -> bool:
    """Whether a file of this MD5 is one of those that the dataset is published in."""
    return md5 in UNPACKED_MD5 or any(file.md5 == md5 for file in PUBLISHED.get(dataset, ()))
