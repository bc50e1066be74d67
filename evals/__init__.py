"""Tasks of real users, for an agent that has nothing but the skill; judged by a program (README.md)."""
