"""What the desk infers from the stream: volatility and feed integrity."""
