"""`doctor`: checks both servers and what runs, and prints remedies."""
