"""Questions the console asks before it does what costs money or adds risk."""
