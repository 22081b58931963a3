"""glaunch: Gluon (Apache MXNet) training jobs on this machine as on Amazon SageMaker."""

__version__ = "0.1.0"
