"""Tables -> text and figures."""
