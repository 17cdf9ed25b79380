"""How good a model is, said honestly: metrics, their intervals, comparisons, operating points, reports.

Owns: the whole evaluation of a system (`evaluate`), what a system is, predictions and their file, confusion, detection,
calibration, thresholds, intervals, paired comparison, matching of events to a stream's truth, robustness slices,
`metrics.json` and its schema, the report as page and as text.
Does not own: the model, the session, how clips are read or split, anything about training.
Imports: `numpy`, `pydantic`, `rich`, `scipy`, `soundfile`, `speechtune`, `speechtune.audio`, `speechtune.data`,
`speechtune.models`, `speechtune.streaming`.

What cannot be measured is None with a reason beside it, never 0.

The figures are plain numpy on posteriors and label indices; torch comes only with a checkpoint that is opened.
"""
