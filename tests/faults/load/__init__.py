"""The clients: they create, delete, work from outside, and write down what they were answered."""
