"""One file per revision; ``schema.REVISIONS`` names them in order."""
