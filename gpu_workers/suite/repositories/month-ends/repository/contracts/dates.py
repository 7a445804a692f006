from datetime import date


def renewal(began: date, months: int) -> date:
    """The day on which a contract is renewed, `months` after it began."""
    month = began.month + months
    if month > 12:
        month = month % 12
    return began.replace(month=month)
