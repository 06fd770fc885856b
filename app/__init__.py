"""What a task is, where it is kept, and the API in front of it."""
