"""Words that mark what a degraded mode made; shown with the answer, never said by a model."""

OFFLINE_LABEL = "Made by the offline model: no language model is configured."

NO_ANSWER_LABEL = "The language model gave no answer; this is the plain record of the work."

SMALL_MODEL_LABEL = "Made with a very small language model: check what it says."

RECORD_LABEL = "The plain record of the work: the language model is too small to retell it."
