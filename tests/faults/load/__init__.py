"""The clients: they create tasks, delete them, work on them as outside workers, and record all answers."""
