"""Which bin a value falls into."""


def bin_of(x, count):
    return min(int(x * count), count - 1)
