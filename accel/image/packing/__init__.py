"""How rectangles are packed into pages, and sprites drawn on them."""
