"""The local workspace: a Slack-speaking server with a web page."""
