"""Hosts of a training job as process trees on this machine."""
