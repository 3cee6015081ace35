"""The console: a client of the api, and the only room that knows the terminal library."""

import os

# Read once when textual is imported: fifteen frames a second are plenty over SSH, and nothing on a trading screen slides.
os.environ.setdefault("TEXTUAL_FPS", "15")
os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
os.environ.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")
