"""A Polymarket of our own on loopback: the real protocol over real sockets, real matching, every signature checked."""
