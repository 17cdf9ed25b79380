"""From clips to a checkpoint.

Owns: the phases of fine-tuning, the cache of embeddings, cross-fitting for calibration and thresholds, what the
names of labels tell beforehand.
Does not own: models, metrics, augmentation, files of checkpoints.
Imports: `accelerate`, `numpy`, `optuna`, `peft`, `pydantic`, `torch`, `speechtune`, `speechtune.audio`,
`speechtune.data`, `speechtune.evaluation`, `speechtune.models`, `speechtune.streaming`.
"""
