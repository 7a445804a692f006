"""Times with their zone, on 24 hours, as the portal shows them."""

DATETIME_FORMAT = "j M Y, H:i T"
TIME_FORMAT = "H:i T"
