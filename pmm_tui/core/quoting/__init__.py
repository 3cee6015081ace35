"""From a strategy's wish to an order's price and size."""
