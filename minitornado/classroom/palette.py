"""The colours of the layers: the only ones that the classroom and its pictures use. Pure.

A page is white, or as dark as JupyterLab's (#111). The contrast between those two is 18.9, so no
colour has more than its square root, 4.35, to both; WCAG's 4.5 for small text is out of reach.
These have 4.25 or more to both. Nothing is told by colour alone: the layer's name is written.
"""

WHITE = "#ffffff"
DARK = "#111111"

PALETTE = {
    "kernel": "#737a82",
    "IOLoop": "#1376e7",
    "IOStream": "#1d8b42",
    "TCPServer": "#9c710d",
    "HTTPServer": "#cb5510",
    "HTTP1Connection": "#915bdc",
    "_ServerRequestAdapter": "#d13da0",
    "app": "#dd3c44",
}


def contrast(one: str, other: str) -> float:
    """The contrast of two colours as WCAG 2 defines it, from 1 to 21.

    >>> round(contrast("#ffffff", "#000000"), 2)
    21.0
    """
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    """WCAG 2's relative luminance of ``#rrggbb``, from 0 to 1."""
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
