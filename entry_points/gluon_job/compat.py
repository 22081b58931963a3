"""`from gluon_job.compat import mx`: mxnet 1.9 imported on any numpy, without its warnings, and faster."""

import gc
import sys
import warnings

import numpy as np

# Where they are installed, mxnet imports them for a scikit-learn interface, calibration and tests, none of which the
# scripts use, and spends more time on them than on itself.
_SPARED = ("scipy", "sklearn")

# mxnet 1.9 reads numpy.bool when it is imported, which numpy 1.24 removed.
if "bool" not in vars(np):
    np.bool = np.bool_

_hidden = [name for name in _SPARED if name not in sys.modules]
sys.modules.update(dict.fromkeys(_hidden))  # None: Python then says that there is no such module
_collects = gc.isenabled()
gc.disable()  # the import makes some hundred thousand objects, and no garbage worth looking for among them
try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import mxnet as mx
finally:
    for name in _hidden:
        del sys.modules[name]
    if _collects:
        gc.enable()

__all__ = ["mx"]
