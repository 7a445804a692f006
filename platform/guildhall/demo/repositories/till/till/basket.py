"""Totals of a basket, in pence."""

VAT_PERCENT = 20


def vat(net_pence):
    """VAT on a net amount, in pence."""
    return net_pence * VAT_PERCENT // 100


def total(lines):
    """What a customer pays for (net pence, quantity) lines, VAT included."""
    net = sum(price * quantity for price, quantity in lines)
    return net + vat(net)
