"""Slack in: raw payloads to typed events, events to commands, commands to rows."""
