"""Words that mark what a degraded mode made; shown with the answer, never said by a model."""

OFFLINE_LABEL = "Made by the offline model: no language model is configured."

NO_ANSWER_LABEL = "The language model gave no answer; this is the plain record of the work."
