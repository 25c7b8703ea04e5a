"""Keep a mean and its spread together: "0.795 ± 0.001" is not broken in a table's cell."""

from docutils import nodes


def keep_together(app, doctree, name):
    """Put spaces that do not break around each plus-minus sign in a table."""
    for entry in doctree.findall(nodes.entry):
        for text in [text for text in entry.findall(nodes.Text) if " ± " in text]:
            text.parent.replace(text, nodes.Text(text.replace(" ± ", "\N{NBSP}±\N{NBSP}")))


def setup(app):
    app.connect("doctree-resolved", keep_together)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
