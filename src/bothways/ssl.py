"""An `ssl.SSLContext` whose connections are made and verified by bothways, for every library that takes one."""

from bothways.adapters.context import SSLContext
from bothways.adapters.ssl_object import SSLObject
from bothways.adapters.ssl_socket import SSLSocket

__all__ = ["SSLContext", "SSLObject", "SSLSocket"]
