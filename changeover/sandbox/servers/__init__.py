"""Real servers in folders of their own, on free ports of 127.0.0.1: for the sandbox and for tests."""
