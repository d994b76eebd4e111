"""The webhooks of the platform: RTC and Voice events of a world, as signed requests (live contract 3 to 6)."""
