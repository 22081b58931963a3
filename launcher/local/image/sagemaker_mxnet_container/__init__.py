"""What scripts written for AWS's MXNet training image import from it."""

from sagemaker_mxnet_container import training_utils

__all__ = ["training_utils"]
