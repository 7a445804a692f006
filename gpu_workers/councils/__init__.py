"""Councils at work: what the seats are asked, how their answers are read, and who asks them, all at once."""
