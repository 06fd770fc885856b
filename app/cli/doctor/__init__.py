"""`doctor`: looks at both servers and at what runs, and says what to do."""
