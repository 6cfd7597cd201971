"""Ladder diagrams of a handshake: the messages and checks of both sides, as text, HTML, SVG and JSON."""
