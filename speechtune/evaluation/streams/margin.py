"""How near to firing is near, and how much of it is kept, where nothing else is said; imports nothing heavy."""

from __future__ import annotations

import math

from speechtune.errors import ConfigError

DEFAULT_MARGIN = 2.0
"""Logits below a threshold that still count as nearly: 0.12 where the threshold is 0.5, 0.55 where it is 0.9."""
DEFAULT_MOST = 200


def check_margin(margin: float) -> None:
    """Refuse a margin that nothing can lie within; ask before playback, not after it.

    Raises:
        ConfigError: it is below 0 or not finite.
    """
    if not (math.isfinite(margin) and margin >= 0.0):
        raise ConfigError(f"--margin {margin}: choose 0 (only what fired) or more logits, for example {DEFAULT_MARGIN}")
