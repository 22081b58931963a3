"""The SageMaker SDK's local mode without Docker: its jobs, endpoints and transforms are processes of this machine.

With `launcher.sdk` the only place, beside `launcher.cloud` and `launcher.infra`, where boto3 and the SDK are imported.
"""

from launcher.sdk_session.session import ProcessLocalSession

__all__ = ["ProcessLocalSession"]
