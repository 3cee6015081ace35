"""An order's life, what may still fill, and the difference between wishes and orders."""
