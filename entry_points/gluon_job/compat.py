"""`from gluon_job.compat import mx`: mxnet 1.9 imported on any numpy and without its warnings."""

import warnings

import numpy as np

# mxnet 1.9 reads numpy.bool when it is imported, which numpy 1.24 removed.
if "bool" not in vars(np):
    np.bool = np.bool_

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import mxnet as mx

__all__ = ["mx"]
