"""One table of Bolt registrations per Slack concept."""
