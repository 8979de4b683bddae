"""What is installed is what was tested: wheel and sdist, far from the checkout."""
