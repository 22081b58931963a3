"""What the scripts of all classifiers have in common: how they are saved, and how they answer at an endpoint."""

from typing import Any, List

from gluon_job import artifact, export, inference


def save(net: Any, model_dir: str) -> None:
    """Writes the artifact: symbol, parameters, shapes, what a client must know, and ONNX.

    Args:
        net: with the attributes input_shape, labels, samples (raw, uint8 (N, *input_shape)) and require_onnx.
    """
    artifact.save(net, model_dir, net.input_shape, net.labels)
    export.after_training(model_dir, net.samples, net.require_onnx)


def model_fn(model_dir: str) -> inference.Classifier:
    """The trained classifier, for an endpoint."""
    return inference.Classifier(model_dir)


def transform_fn(
    net: inference.Classifier, data: Any, input_content_type: str, output_content_type: str
) -> inference.Answer:
    """Answers one request: images in, classes and probabilities out."""
    return inference.transform(net, data, input_content_type, output_content_type)


def transform_batch_fn(net: inference.Classifier, requests: List[inference.Request]) -> List[Any]:
    """Answers several requests (body, content type, accepted types) at once, for a server that has a use for it."""
    return inference.transform_batch(net, requests)
