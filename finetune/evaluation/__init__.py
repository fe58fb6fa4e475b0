"""Whether an adapter answers better: evaluation runs, scores, judges, the gate."""
