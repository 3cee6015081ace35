"""The faces: the api over a real socket, and the console screen by screen."""
