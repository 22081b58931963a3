"""The net as a symbol that oneDNN computes fast, with exactly the same parameters, outputs and gradients.

oneDNN's convolutions and poolings for AVX2 want blocks of eight channels and are up to four times slower without (a
LeNet has 20 and 50). So channels of zeros are added inside the graph, the kernel's rows become channels where an image
has only one, and relu follows max pooling, where it has a quarter of the work.
"""

import ast
import collections
import json
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from gluon_job.compat import mx

BLOCK = 8
_WASTE = 1.5  # at most this many times the work of a convolution, in exchange for its fast form
_PASS_PADDING = ("Activation", "Pooling")  # channel by channel: what is in the added channels stays there


def optimized(symbol: Any, shapes: Mapping[str, Sequence[int]]) -> Any:
    """A symbol of one output, rewritten; its variables and their shapes stay as they are.

    Args:
        symbol: what a HybridBlock makes of a variable.
        shapes: of every parameter.
    """
    graph = json.loads(symbol.tojson())
    # An operator with a graph inside, such as a loop, cannot be made again from its name and attributes.
    if not all(node["op"] == "null" or ("subgraphs" not in node and _maker(node["op"])) for node in graph["nodes"]):
        return symbol
    rewriter = _Rewriter(graph, symbol, shapes)
    for index in range(len(graph["nodes"])):
        rewriter.add(index)
    return rewriter.plain(graph["heads"][0])


class _Rewriter:
    """Builds the new symbol node by node, in the order of the old one."""

    def __init__(self, graph: Dict[str, Any], symbol: Any, shapes: Mapping[str, Sequence[int]]):
        self._nodes: List[Dict[str, Any]] = graph["nodes"]
        self._shapes = shapes
        self._made: List[Any] = []
        self._channels: Dict[int, int] = {}  # of the nodes that have channels of zeros: how many are true
        self._late: Dict[int, Any] = {}  # activations that wait for the pooling after them
        self._variables = {item.name: item for item in symbol.get_internals() if item.get_children() is None}
        self._consumers = collections.defaultdict(list)
        for node in self._nodes:
            for source, _, _ in node["inputs"]:
                self._consumers[source].append(node)

    def add(self, index: int) -> None:
        node = self._nodes[index]
        if node["op"] == "null":
            self._made.append(self._variables[node["name"]])
        elif node["op"] == "Convolution" and self._is_rewritable(node):
            self._add_convolution(index, node)
        elif node["op"] == "Activation" and self._is_before_max_pooling(index, node):
            self._late[index] = node
            self._pass(index, node, self._made[node["inputs"][0][0]])
        elif node["op"] in _PASS_PADDING:
            self._pass(index, node, self._operator(node, [self._made[node["inputs"][0][0]]]))
            late = self._late.get(node["inputs"][0][0])
            if late:
                self._made[index] = self._operator(late, [self._made[index]])
        else:
            self._made.append(self._operator(node, [self.plain(reference) for reference in node["inputs"]]))

    def plain(self, reference: Tuple[int, int, int]) -> Any:
        """A node's output without channels of zeros."""
        index, output, _ = reference
        if index in self._channels:
            return mx.sym.slice_axis(self._made[index], axis=1, begin=0, end=self._channels[index])
        return self._made[index][output]

    def _operator(self, node: Dict[str, Any], inputs: List[Any], **changes: Any) -> Any:
        return _maker(node["op"])(*inputs, name=node["name"], **{**node.get("attrs", {}), **changes})

    def _pass(self, index: int, node: Dict[str, Any], made: Any) -> None:
        self._made.append(made)
        source = node["inputs"][0][0]
        if source in self._channels:
            self._channels[index] = self._channels[source]

    def _is_before_max_pooling(self, index: int, node: Dict[str, Any]) -> bool:
        after = self._consumers[index]
        return (
            node["attrs"]["act_type"] == "relu"
            and len(after) == 1
            and after[0]["op"] == "Pooling"
            and after[0]["attrs"].get("pool_type") == "max"
        )

    def _is_rewritable(self, node: Dict[str, Any]) -> bool:
        attributes = node["attrs"]
        return (
            len(_numbers(attributes["kernel"])) == 2
            and attributes.get("layout", "NCHW") in ("NCHW", "None")
            and attributes.get("num_group", "1") == "1"
            and self._nodes[node["inputs"][1][0]]["name"] in self._shapes
        )

    def _add_convolution(self, index: int, node: Dict[str, Any]) -> None:
        source, weight_index = node["inputs"][0][0], node["inputs"][1][0]
        inputs = [self._made[source]] + [self.plain(reference) for reference in node["inputs"][1:]]
        shape = list(self._shapes[self._nodes[weight_index]["name"]])
        if source in self._channels:
            inputs[1], shape = _with_zeros(inputs[1], shape, 1)
        if shape[0] % BLOCK and shape[0] + -shape[0] % BLOCK <= _WASTE * shape[0]:
            self._channels[index] = shape[0]
            if len(inputs) == 3:
                inputs[2], _ = _with_zeros(inputs[2], shape[:1], 0)
            inputs[1], shape = _with_zeros(inputs[1], shape, 0)
        changes: Dict[str, Any] = {"num_filter": shape[0]}
        if shape[1] == 1 and _steps_by_one(node["attrs"]) and shape[0] % BLOCK == 0 and shape[2] > 2:
            inputs[0], inputs[1], changes["kernel"] = _rows_as_channels(inputs[0], inputs[1], shape)
        self._made.append(self._operator(node, inputs, **changes))


def _maker(operator: str) -> Any:
    """The function that makes an operator of a symbol, or None."""
    for module, prefix in ((mx.sym, ""), (mx.sym._internal, ""), (mx.sym.contrib, "_contrib_")):
        if operator.startswith(prefix) and hasattr(module, operator[len(prefix) :]):
            return getattr(module, operator[len(prefix) :])
    return None


def _numbers(text: str) -> Tuple[int, ...]:
    return tuple(ast.literal_eval(text))


def _steps_by_one(attributes: Dict[str, str]) -> bool:
    return all(
        set(_numbers(attributes.get(name, "()"))) <= {usual}
        for name, usual in (("stride", 1), ("dilate", 1), ("pad", 0))
    )


def _with_zeros(array: Any, shape: List[int], axis: int) -> Tuple[Any, List[int]]:
    """The array with zeros up to a multiple of the block along an axis, and its new shape."""
    zeros = [*shape[:axis], -shape[axis] % BLOCK, *shape[axis + 1 :]]
    whole = [*shape[:axis], shape[axis] + zeros[axis], *shape[axis + 1 :]]
    return mx.sym.concat(array, mx.sym.zeros(shape=tuple(zeros)), dim=axis), whole


def _rows_as_channels(image: Any, weight: Any, shape: List[int]) -> Tuple[Any, Any, Tuple[int, int]]:
    """A convolution of one channel as one of three: its image, weight and kernel.

    The kernel's rows are cut in three parts of the same height (with rows of zeros at the end), and channel i is the
    image from the first row of part i on. For three channels oneDNN has a fast gradient of the weights, for one not.
    """
    filters, _, height, width = shape
    rows = -(-height // 3)
    added = 3 * rows - height
    if added:
        weight = mx.sym.concat(weight, mx.sym.zeros(shape=(filters, 1, added, width)), dim=2)
        row = mx.sym.zeros_like(mx.sym.slice_axis(image, axis=2, begin=0, end=added))
        image = mx.sym.concat(image, row, dim=2)
    parts = [mx.sym.slice_axis(image, axis=2, begin=i * rows, end=(i - 2) * rows if i < 2 else None) for i in range(3)]
    return mx.sym.concat(*parts, dim=1), mx.sym.reshape(weight, shape=(filters, 3, rows, width)), (rows, width)
