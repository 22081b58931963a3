"""GluonCV's networks, by name."""

import difflib
import os
import re
import warnings
from typing import Any, Dict, List, Optional, Sequence

from gluon_job.compat import mx
from gluon_job.errors import InputError
from gluon_job.hyperparameters import did_you_mean

# What, by a part of its name, is no classifier, or one that GluonCV cannot make for other classes than its own.
_OTHER = (
    "ssd_", "yolo", "rcnn", "fcn_", "psp_", "deeplab", "icnet", "danet", "fastscnn", "center_net", "simple_pose",
    "mobile_pose", "alpha_pose", "siamrpn", "monodepth", "smot", "i3d_", "kinetics", "ucf101", "hmdb51", "sthsth",
    "slowfast", "_int8", "hrnet", "nasnet", "101e_", "v1b_0.", "v1d_0.", "_gn", "_custom",
)  # fmt: skip
_CUSTOM = "_custom"
_BEGINNINGS = {"gamma": "ones", "var": "ones", "beta": "zeros", "bias": "zeros", "mean": "zeros"}


def classifiers() -> List[str]:
    """The names of the networks that tell classes of pictures apart."""
    return sorted(name for name in _zoo().get_model_list() if not any(part in name for part in _OTHER))


def detectors() -> List[str]:
    """The names of the SSD and YOLO3 networks, as `ssd_512_mobilenet1.0`."""
    names = _zoo().get_model_list()
    return sorted(
        name[: -len(_CUSTOM)] for name in names if name.startswith(("ssd_", "yolo3_")) and name.endswith(_CUSTOM)
    )


def check(name: str, known: Sequence[str]) -> None:
    """InputError, with the nearest names, unless the name is known."""
    if name not in known:
        near = difflib.get_close_matches(name, known, n=5, cutoff=0.1)
        raise InputError(
            f"no network {name!r}{did_you_mean(name, known)}: of {len(known)} in GluonCV the nearest are "
            f"{', '.join(near) or ', '.join(known[:5])}; glaunch's docs/entry_points.md has all"
        )


def make(name: str, **options: Any) -> Any:
    """An untrained network, or with `pretrained=True` GluonCV's trained one; the names in it are always the same.

    Raises:
        InputError: the trained parameters cannot be downloaded.
    """
    zoo = _zoo()
    try:
        # Names are numbered through a process: the first of a kind has always the same.
        with mx.name.NameManager(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _with_initializers(zoo.get_model(name, **options))
    except (OSError, RuntimeError, ValueError) as error:
        if not any(options.get(option) for option in ("pretrained", "pretrained_base")):
            raise
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise InputError(
            f"the trained parameters of {name} cannot be had from GluonCV ({reason}): give pretrained=false, "
            "or the name of a file in the channel `pretrained`"
        ) from None


def _with_initializers(net: Any) -> Any:
    """The net; its parameters that say nothing of it, as those of the layers that SSD adds, begin as is usual."""
    for parameter in net.collect_params().values():
        kind = parameter.name.rpartition("_")[2]
        if parameter.init is None and kind in _BEGINNINGS:
            parameter.init = _BEGINNINGS[kind]
    return net


def make_detector(name: str, labels: Sequence[Any], pretrained_base: bool) -> Any:
    """A network of `detectors` for objects of these classes; with GluonCV's trained base, or untrained."""
    return make(name + _CUSTOM, classes=list(map(str, labels)), pretrained_base=pretrained_base)


def detector_size(name: str) -> int:
    """The pixels of a side that a network of `detectors` was made for."""
    size = re.match(r"ssd_(\d+)_", name)
    return int(size[1]) if size else 416


def output_layer(make_net: Any, classes: int) -> List[str]:
    """The parameters, by their place in the net, whose shape depends on the number of classes."""
    one, other = (
        {key: parameter.shape for key, parameter in parameters(make_net(count)).items()}
        for count in (classes, classes + 1)
    )
    return [key for key, shape in one.items() if other.get(key) != shape]


def load_file(net: Any, path: str) -> int:
    """Gives a net those parameters of a file that fit its own; how many they are.

    The file is what `save_parameters` or `export` of such a net wrote, GluonCV's, or an artifact's: a parameter is
    known by its place in the net, or by its name without the net's own prefix.

    Raises:
        InputError: no such file, a damaged one, or one of another network.
    """
    try:
        stored = mx.nd.load(path)
    except (mx.MXNetError, OSError):
        raise InputError(f"{path} is not a file of MXNet's parameters, or damaged") from None
    if not isinstance(stored, dict):
        raise InputError(f"{path} holds arrays without names, not a network's parameters")
    values = {name.split(":", 1)[-1]: value for name, value in stored.items()}
    return copy_where_it_fits(net, values, path)


def copy_where_it_fits(net: Any, values: Dict[str, Any], source: str) -> int:
    """As `load_file`, of arrays by name. InputError when none fits."""
    by_end = {_end(name): value for name, value in values.items()}
    count = 0
    for key, parameter in parameters(net).items():
        value = values.get(key, by_end.get(_end(parameter.name)))
        if value is not None and _fits(parameter.shape, value.shape):
            parameter.shape = value.shape
            parameter.initialize(init=mx.init.Constant(0), force_reinit=True)
            parameter.set_data(value)
            count += 1
    if not count:
        raise InputError(f"{source} has no parameter of this network: it is of another one")
    return count


def parameters(net: Any) -> Dict[str, Any]:
    """A net's parameters by their place in it; those that only its graph knows, as of SSD's added layers, by name."""
    placed = dict(net._collect_params_with_prefix())
    known = {parameter.name for parameter in placed.values()}
    others = {_end(name): value for name, value in net.collect_params().items() if name not in known}
    return {**others, **placed}


def freeze(net: Any, learning: Sequence[str]) -> None:
    """Leaves all parameters as they are but some, named by their place."""
    for key, parameter in parameters(net).items():
        if key not in learning:
            parameter.grad_req = "null"


def pretrained_file(word: str, channel_input_dirs: Dict[str, str]) -> str:
    """The file that the hyperparameter `pretrained` names: in the channel of that name, or by its path."""
    places = [os.path.join(channel_input_dirs[name], word) for name in ("pretrained",) if name in channel_input_dirs]
    for path in [*places, word]:
        if os.path.isfile(path):
            return path
    raise InputError(f"no file {word!r} for pretrained: expected {' or '.join([*places, word])}")


def _end(name: str) -> str:
    """A parameter's name without the prefixes of the nets around it: `resnetv10_conv0_weight` is `conv0_weight`."""
    return name.split("_", 1)[-1]


def _fits(shape: Optional[Sequence[int]], other: Sequence[int]) -> bool:
    """Whether a shape, in which what is not known yet is 0, or which is None, may be the other."""
    return shape is None or (len(shape) == len(other) and all(a in (0, b) for a, b in zip(shape, other)))


def _zoo() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from gluoncv import model_zoo
    except ImportError as error:
        raise InputError(
            f"this script needs GluonCV ({error}): pip install 'gluon-launcher[vision]' here, "
            "or name gluoncv in the requirements.txt of a source directory"
        ) from None
    return model_zoo
