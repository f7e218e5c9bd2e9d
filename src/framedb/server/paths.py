"""Keys in paths: `{key:any}` is the rest of the path, whatever is in it."""

from starlette.convertors import PathConvertor, register_url_convertor


class _AnyKey(PathConvertor):
    """Starlette's own stops before a newline at the end."""

    regex = "(?s:.*)"


register_url_convertor("any", _AnyKey())
