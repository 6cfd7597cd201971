"""The picture of a handshake: both sides' messages in order, as text, HTML, SVG and JSON."""
