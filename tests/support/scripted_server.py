"""A real server process with scripted models: `python -m tests.support.scripted_server [HOST:PORT [FILE]]`.

With FILE its models load once that file is there.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from speechtune.errors import SpeechTuneError
from speechtune_server.app import serve
from speechtune_server.engine.model_store import ServedModel
from speechtune_server.process.config import server_config
from tests.support.streaming import LoudnessActivity, PitchScorer


def load(name: str, folder: Path) -> ServedModel:
    while len(sys.argv) > 2 and not Path(sys.argv[2]).exists():
        time.sleep(0.02)
    return ServedModel(name, "d1" * 32, PitchScorer())


def main() -> int:
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:0"
    config = server_config(models={"home": Path("home")}, address=address, drain_notice_seconds=0.2)
    try:
        asyncio.run(serve(config, lambda bound: print(bound, flush=True), load, LoudnessActivity))
    except SpeechTuneError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
