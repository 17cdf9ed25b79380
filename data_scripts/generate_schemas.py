"""Write the JSON schemas of `metrics.json` and `stream_metrics.json`, or check that the committed ones are up to date.

python -m data_scripts.generate_schemas            rewrite speechtune/evaluation/*.schema.json
python -m data_scripts.generate_schemas --check    change nothing; exit 1 and name what differs
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from speechtune.evaluation.clips.metrics import metrics_schema
from speechtune.evaluation.streams.metrics import stream_metrics_schema
from speechtune.whole_files import write_whole

FOLDER = Path(__file__).resolve().parents[1] / "speechtune" / "evaluation"


def generate() -> dict[str, str]:
    """File name -> content, as the code has it now."""
    schemas = {"metrics.schema.json": metrics_schema(), "stream_metrics.schema.json": stream_metrics_schema()}
    return {name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for name, schema in schemas.items()}


def differences(folder: Path) -> list[str]:
    """Names of the schemas in `folder` that are missing or not what the code has."""
    return [
        name
        for name, content in generate().items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != content
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit status."""
    parser = argparse.ArgumentParser(prog="generate_schemas", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a schema is out of date")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the schemas")
    options = parser.parse_args(argv)
    wrong = differences(options.out)
    if options.check:
        for name in wrong:
            print(f"{name}: out of date; run python -m data_scripts.generate_schemas", file=sys.stderr)
        return int(bool(wrong))
    for name in wrong:
        write_whole(options.out / name, generate()[name])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
