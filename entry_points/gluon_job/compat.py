"""`from gluon_job.compat import mx`: mxnet 1.9 imported on any numpy, without its warnings and without what it can spare.
"""

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
try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import mxnet as mx
finally:
    for name in _hidden:
        del sys.modules[name]

__all__ = ["mx"]
