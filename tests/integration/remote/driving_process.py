"""Drives the run of a trial in a process that a test kills: ``driving_process.py ROOT RUN``."""

from __future__ import annotations

import sys
from pathlib import Path

from changeover.testing import Trial

if __name__ == "__main__":
    root, run = sys.argv[1:]
    trial = Trial(Path(root), "", run_id=run)
    trial.drive(takeover=True, lease_seconds=2.0)
