"""How good a model is, said honestly: metrics, their intervals, comparisons, operating points, reports.

Owns: predictions and their file, confusion, detection, calibration, thresholds, intervals, paired comparison, matching
of events to a stream's truth, robustness slices, `metrics.json` and its schema, the text report.
Does not own: the model, the session, how clips are read or split, anything about training.
Imports: numpy, pydantic, rich, beta quantiles of SciPy, `speechtune.streaming` (the `Scorer`), `speechtune.data`
(clips), and below. The metrics are plain numpy on posteriors and label indices; nothing here imports torch.

What cannot be measured is None with a reason beside it, never 0.
"""
