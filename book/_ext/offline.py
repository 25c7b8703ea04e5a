"""Keep the built pages free of network requests."""


def drop_thebe(app):
    """Jupyter Book always loads sphinx_thebe, which breaks each page's scripts and asks a CDN."""
    app.config.thebe_config = {}
    for event in ("env-before-read-docs", "doctree-resolved"):
        app.events.listeners[event] = [
            listener
            for listener in app.events.listeners[event]
            if not listener.handler.__module__.startswith("sphinx_thebe")
        ]


def setup(app):
    app.connect("builder-inited", drop_thebe, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
