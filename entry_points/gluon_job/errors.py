"""The one error whose message is meant for the person who started the job."""


class InputError(ValueError):
    """Data or a hyperparameter that cannot be used: what is wrong, where, and what to do, without a traceback."""
