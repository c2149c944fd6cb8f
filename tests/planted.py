"""Methods that misbehave on purpose; worker processes import them by name."""

import os
import time

import numpy as np


def good(instance, parameters):
    return (instance.source,) * len(instance.layers)


def nothing(instance, parameters):
    return None


def raises(instance, parameters):
    raise RuntimeError("planted")


def dies(instance, parameters):
    os._exit(7)


def sleeps(instance, parameters):
    time.sleep(3600)


def eats_memory(instance, parameters):
    return np.ones(2**40)


def prints(instance, parameters):
    print("noise on standard output", flush=True)
    os.write(1, b"more noise\n")
    return good(instance, parameters)


def wrong_length(instance, parameters):
    return (0,)


def unknown_device(instance, parameters):
    return (-1,) * len(instance.layers)


def no_sequence(instance, parameters):
    return 3
