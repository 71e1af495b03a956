"""The agent engine: agents, plans, tools and models, knowing neither Slack nor SQL."""
