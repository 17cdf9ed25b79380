"""Make a small command set in many synthetic voices, train and test voices apart.

    python -m data_scripts.synthesize_commands OUT --commands yes,no,"lights on" --takes 20

OUT/train and OUT/test each get one folder per command, `_unknown_` with other words, and a manifest that says who
speaks, what is said, and that it is synthetic. It shows that the whole chain works, never how well it hears people.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from speechtune.data.synthesis.synthetic_sets import plan_lines, split_voices, synthesize_set
from speechtune.demo import COMMANDS
from speechtune.errors import SpeechTuneError
from speechtune.record.prompts import OTHER_WORDS


def main(argv: Sequence[str] | None = None) -> int:
    """Write the set; 0 if it is there, 2 if something asked for cannot be done."""
    parser = argparse.ArgumentParser(prog="synthesize_commands", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="folder to make")
    parser.add_argument("--commands", default=",".join(COMMANDS), help="the commands, with commas between")
    parser.add_argument("--takes", type=int, default=20, help="training clips per command; half as many for the test")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    commands = [command.strip() for command in options.commands.split(",")]
    if options.takes < 2:
        parser.error("--takes: at least 2")
    sides = zip(("train", "test"), split_voices(), (options.takes, options.takes // 2), strict=True)
    try:
        for name, speakers, takes in sides:
            clip_set = synthesize_set(
                options.out / name, plan_lines(commands, OTHER_WORDS, takes), speakers, options.seed
            )
            print(f"{clip_set.root}: {len(clip_set.clips)} clips, {len(clip_set.speakers)} voices")
    except SpeechTuneError as error:
        print(f"synthesize_commands: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
