"""What the project keeps in an AWS account: a CloudFormation stack, and the code that brings it up and takes it down.

Installed as `launcher.infra`; in a checkout that is a link to this directory.
"""
