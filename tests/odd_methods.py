"""Methods that return odd placements, ``odd_methods:bools`` and so on; worker processes import them by name."""

from odd_placements import ODD, first


def method_name(odd):
    """Return the method that returns an odd placement."""
    return f"odd_methods:{odd.replace(' ', '_')}"


def _method(make):
    def method(instance, parameters):
        return make(instance, first(instance))

    return method


globals().update({name.replace(" ", "_"): _method(make) for name, make in ODD.items()})
