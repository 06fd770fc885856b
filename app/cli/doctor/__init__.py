"""`doctor`: checks of the installation, with remedies."""
