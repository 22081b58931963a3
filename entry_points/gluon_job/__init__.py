"""What the entry points share; it travels with them into the training and serving containers.

It is a script's first import: OpenMP reads its environment once, when mxnet is loaded.
"""

from gluon_job import threads

threads.prepare()
