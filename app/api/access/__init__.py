"""Who gets in: API keys and sessions, the scope of each route, limits for each key."""
