"""Test clouds, seen through the SDKs."""

from tests.clouds.fixtures import ec2, ec2_server

__all__ = ["ec2", "ec2_server"]
