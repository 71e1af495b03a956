"""The Slack side: what Slack says becomes rows, and rows become what Slack shows."""
