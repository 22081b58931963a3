"""The data sets that can be downloaded: where their files are, and how to know them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RemoteFile:
    """A file of a data set: its place below the data set's directory, its size in bytes and its SHA-256 in hex."""

    path: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        return Path(self.path).name


@dataclass(frozen=True)
class DataSet:
    """What can be downloaded, and from where.

    Attributes:
        license: what the owner asks of those who use it.
        mirrors: base URLs; a file is at the base followed by its name.
        files: what is downloaded: the files of the data set, or one zip that holds them.
        installed: the directory where a system's package has the same files, without subfolders.
    """

    name: str
    description: str
    license: str
    mirrors: tuple[str, ...]
    files: tuple[RemoteFile, ...]
    installed: Path | None = None

    @property
    def size(self) -> int:
        """Bytes to download."""
        return sum(file.size for file in self.files)

    @property
    def is_archive(self) -> bool:
        """Whether what is downloaded is a zip to unpack."""
        return self.files[0].name.endswith(".zip")


MNIST_LICENSE = "CC BY-SA 3.0, Yann LeCun and Corinna Cortes"
_MOVIELENS_LICENSE = "GroupLens: for research, to be cited, neither redistributed nor used commercially"
_MOVIELENS_MIRRORS = ("https://files.grouplens.org/datasets/movielens/",)  # the licence allows no other

CATALOGUE = {
    data_set.name: data_set
    for data_set in (
        DataSet(
            name="mnist",
            description="handwritten digits: 60,000 + 10,000 images of 28x28, 10 classes",
            license=MNIST_LICENSE,
            mirrors=(
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
            ),
            files=(
                RemoteFile(
                    "train/train-images-idx3-ubyte.gz",
                    9_912_422,
                    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                ),
                RemoteFile(
                    "train/train-labels-idx1-ubyte.gz",
                    28_881,
                    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                ),
                RemoteFile(
                    "test/t10k-images-idx3-ubyte.gz",
                    1_648_877,
                    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                ),
                RemoteFile(
                    "test/t10k-labels-idx1-ubyte.gz",
                    4_542,
                    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                ),
            ),
        ),
        DataSet(
            name="fashion-mnist",
            description="articles of clothing: 60,000 + 10,000 images of 28x28, 10 classes",
            license="MIT, Zalando SE",
            mirrors=(
                "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
            ),
            files=(
                RemoteFile(
                    "train/train-images-idx3-ubyte.gz",
                    26_421_880,
                    "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                ),
                RemoteFile(
                    "train/train-labels-idx1-ubyte.gz",
                    29_515,
                    "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                ),
                RemoteFile(
                    "test/t10k-images-idx3-ubyte.gz",
                    4_422_102,
                    "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                ),
                RemoteFile(
                    "test/t10k-labels-idx1-ubyte.gz",
                    5_148,
                    "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                ),
            ),
            installed=Path("/usr/share/datasets/fashion-mnist"),  # Debian's dataset-fashion-mnist
        ),
        DataSet(
            name="movielens-100k",
            description="film ratings: 100,000 of 1,682 films by 943 users",
            license=_MOVIELENS_LICENSE,
            mirrors=_MOVIELENS_MIRRORS,
            files=(
                RemoteFile(
                    "ml-100k.zip",
                    4_924_029,
                    "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
                ),
            ),
        ),
        DataSet(
            name="movielens-1m",
            description="film ratings: 1,000,209 of 3,883 films by 6,040 users",
            license=_MOVIELENS_LICENSE,
            mirrors=_MOVIELENS_MIRRORS,
            files=(
                RemoteFile(
                    "ml-1m.zip",
                    5_917_549,
                    "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
                ),
            ),
        ),
    )
}
