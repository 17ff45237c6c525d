"""The company's HTTP services: real sockets, real state, the standard library's server."""
